"""The volumes of a launch: the image's, and what the request says of them."""

from holdfast.lab.instances.block_devices import BlockDevice, merged

ROOT = BlockDevice("/dev/xvda", "snap-1", 8, "gp3", iops=4000, throughput=250)
DATA = BlockDevice("/dev/sdf", "snap-2", 5, "gp2", delete_on_termination=False)


def test_nothing_asked_is_the_image():
    assert merged([ROOT, DATA], []) == [ROOT, DATA]


def test_what_is_asked_of_a_device_changes_that_alone():
    asked = [{"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 20, "DeleteOnTermination": False}}]
    (root, data) = merged([ROOT, DATA], asked)
    assert root == BlockDevice("/dev/xvda", "snap-1", 20, "gp3", 4000, 250, delete_on_termination=False)
    assert data == DATA


def test_speed_of_the_image_does_not_follow_into_another_type():
    (root,) = merged([ROOT], [{"DeviceName": "/dev/xvda", "Ebs": {"VolumeType": "gp2"}}])
    assert (root.volume_type, root.iops, root.throughput) == ("gp2", None, None)


def test_a_device_is_left_out_or_added():
    asked = [
        {"DeviceName": "/dev/sdf", "NoDevice": ""},
        {"DeviceName": "/dev/sdg", "Ebs": {"VolumeSize": "3", "Encrypted": "true"}},
        {"DeviceName": "/dev/sdh", "VirtualName": "ephemeral0"},
    ]
    (root, added) = merged([ROOT, DATA], asked)  # type: ignore[arg-type]
    assert root == ROOT
    assert (added.size_gib, added.encrypted, added.delete_on_termination) == (3, True, True)


def test_shown_as_ec2_shows_it():
    shown = {"SnapshotId": "snap-2", "VolumeSize": 5, "VolumeType": "gp2", "Encrypted": False}
    assert DATA.shown() == {"DeviceName": "/dev/sdf", "Ebs": {**shown, "DeleteOnTermination": False}}
