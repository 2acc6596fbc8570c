"""Restores on the simulated cloud: from snapshots and from image backups, here and elsewhere."""

from dataclasses import replace

import pytest

from holdfast.domain.errors import ConflictError, NotFoundError, UsageError
from holdfast.domain.policy import Exclusion, WorkerChoice, WorkerMode
from holdfast.domain.restore import Change, InstanceRestore, NewPlace, Place, VolumeRestore
from holdfast.domain.session import State
from holdfast.testing.simulated_site import REGION
from tests.simulation.reading import log, points, snapshots, tasks


@pytest.fixture
def protected(site):
    site.instance = site.cloud.add_instance("web-1")
    site.policy()
    assert site.run_policy().state == State.SUCCEEDED
    site.snapshots_before = snapshots(site)
    return site


def restore(site, order):
    opened = site.run(lambda appliance: appliance.service.start_restore(order))
    return site.records.sessions.get(opened.id)


def point(site, kind):
    return points(site, kind)[-1].id


def owned(site, kind):
    return [one for one in site.cloud.objects.values() if one.kind == kind]


@pytest.mark.parametrize("kind", ["snapshot", "image-backup"])
def test_volumes_come_back_and_stay(protected, kind):
    site = protected
    session = restore(site, VolumeRestore(point(site, kind)[:10]))
    assert session.state == State.SUCCEEDED, tasks(site, session)
    volumes = owned(site, "volume")
    assert len(volumes) == 2
    (task,) = tasks(site, session)
    made = task.result["volumes"]
    assert isinstance(made, dict)
    assert {made["/dev/xvda"], made["/dev/sdf"]} == {one.id for one in volumes}
    assert snapshots(site) == site.snapshots_before, "temporary ones are removed"
    assert site.cloud.count("instance", "role", "queue") == 0
    assert site.repository.pins == {}
    expected_launches = 1 + (kind == "image-backup")
    assert site.cloud.worker_world.launches == expected_launches
    made_of = {one.facts["snapshot"] for one in volumes}
    assert made_of.isdisjoint(site.snapshots_before) == (kind == "image-backup")


@pytest.mark.parametrize("foreign", [True, False], ids=["of somebody else", "one for two volumes"])
def test_a_worker_that_names_a_snapshot_which_it_has_not_made_is_not_believed(protected, monkeypatch, foreign):
    """It may name any of the account's: such a one is neither shared nor removed."""
    site = protected
    made = [sorted(site.snapshots_before)[0]] if foreign else []
    make = site.cloud.worker_snapshot

    def other_than_told(target):
        made.append(make(target))
        return made[0]

    monkeypatch.setattr(site.cloud, "worker_snapshot", other_than_told)
    order = VolumeRestore(point(site, "image-backup"), ("/dev/xvda",) if foreign else ())
    session = restore(site, order)
    assert session.state == State.FAILED
    (task,) = tasks(site, session)
    assert task.error is not None
    assert task.error.what == "the worker's result is not accepted"
    assert (made[0] in task.error.why) == foreign
    assert snapshots(site) == site.snapshots_before, "what the worker has made is gone, the other one is not"
    assert "shared" not in site.cloud.objects[sorted(site.snapshots_before)[0]].facts
    assert owned(site, "volume") == []


def test_this_machine_bears_few_local_restores_which_wait_for_nothing_else(protected):
    """While its places for local backups and verifications are taken, too."""
    site = protected
    for number in range(3):
        site.cloud.add_instance(f"more-{number}")
    site.policy(worker=WorkerChoice(mode=WorkerMode.LOCAL))
    order = VolumeRestore(point(site, "image-backup"), worker_mode="local")
    of_snapshots = replace(order, point=point(site, "snapshot"))

    def all_at_once(appliance):
        service = appliance.service
        return [
            service.run_policy("web", ("backup",)),
            *(service.verify_point(order.point, "local") for _ in range(3)),
            *(service.start_restore(order) for _ in range(3)),
            service.start_restore(of_snapshots),
        ]

    opened = site.run(all_at_once)
    assert {site.records.sessions.get(one.id).state for one in opened} == {State.SUCCEEDED}
    peak = site.last.engine.peak
    held = {queue: peak[queue, ""] for queue in ("local", "local restores", "local verifications", "restores")}
    assert held == {"local": 2, "local restores": 2, "local verifications": 2, "restores": 1}, (
        "snapshots need no worker"
    )
    limits = {one.queue: one.limit for one in site.last.engine.lane_states() if not one.partition}
    assert {limits[queue] for queue in ("local", "local restores", "local verifications")} == {2}


def test_one_volume_by_id_or_device_in_another_zone(protected):
    site = protected
    data = site.cloud.instances[site.instance].volumes[1]
    for name in (data.volume_id, data.device):
        session = restore(site, VolumeRestore(point(site, "snapshot"), (name,), zone=f"{REGION}b"))
        assert session.state == State.SUCCEEDED
    assert [one.facts["zone"] for one in owned(site, "volume")] == [f"{REGION}b"] * 2
    with pytest.raises(NotFoundError, match="/dev/sdz"):
        restore(site, VolumeRestore(point(site, "snapshot"), ("/dev/sdz",)))


def test_an_instance_that_is_gone_is_made_where_it_was(protected):
    site = protected
    site.cloud.states[site.instance] = "terminated"
    session = restore(site, InstanceRestore(point(site, "image-backup")))
    assert session.state == State.SUCCEEDED, tasks(site, session)
    (task,) = tasks(site, session)
    made = site.cloud.instances[str(task.result["instance_id"])]
    assert made.tags == site.cloud.instances[site.instance].tags
    assert site.cloud.states[made.instance_id] == "running"
    assert snapshots(site) == site.snapshots_before


def test_an_instance_that_stands_is_touched_only_with_a_yes(protected):
    site = protected
    order = InstanceRestore(point(site, "snapshot"))
    with pytest.raises(ConflictError, match="still stands"):
        restore(site, order)
    assert site.cloud.states[site.instance] == "running"
    session = restore(site, InstanceRestore(point(site, "snapshot"), replace=True))
    assert session.state == State.SUCCEEDED, tasks(site, session)
    assert tasks(site, session)[0].result["instance_id"] == site.instance
    assert site.cloud.states[site.instance] == "running"


def test_a_restore_in_place_that_fails_leaves_the_instance_running(protected):
    site = protected
    site.cloud.denied.add("ec2:AttachVolume")
    session = restore(site, InstanceRestore(point(site, "snapshot"), replace=True))
    assert session.state == State.FAILED
    (task,) = tasks(site, session)
    assert task.error is not None
    assert task.error.code == "permission-denied"
    assert site.cloud.states[site.instance] == "running"
    assert owned(site, "volume") == []


def test_a_restore_of_volumes_that_fails_leaves_none(protected):
    site = protected
    newest = points(site, "snapshot")[-1]
    site.cloud.delete(sorted(newest.snapshots.values())[-1])
    session = restore(site, VolumeRestore(newest.id))
    assert session.state == State.FAILED
    assert owned(site, "volume") == []


def test_a_new_place_takes_no_address_of_the_old(protected):
    site = protected
    new = NewPlace(name="copy", subnet_id="subnet-2", security_group_ids=("sg-2",), instance_type="t3.large")
    order = InstanceRestore(point(site, "snapshot"), place=Place.NEW, new=new)
    plan = site.run(lambda appliance: appliance.service.plan_restore(order))
    assert plan.problems == ()
    told = [(one.change, one.kind) for one in plan.objects]
    assert (Change.STOP, "instance") not in told
    assert [one.name for one in plan.objects if one.kind == "instance" and not one.temporary] == ["copy"]
    (interface,) = [one for one in plan.objects if one.kind == "network-interface"]
    assert interface.detail == "subnet-2, an address that AWS chooses"
    session = restore(site, order)
    assert session.state == State.SUCCEEDED
    assert site.cloud.states[site.instance] == "running"


def test_what_is_to_differ_is_never_dropped_where_the_instance_stands(protected):
    site = protected
    before = dict(site.cloud.objects)
    new = NewPlace(subnet_id="subnet-2", kms_key_id="key")
    order = InstanceRestore(point(site, "snapshot"), new=new, replace=True)
    for asked in ("plan_restore", "start_restore"):
        with pytest.raises(UsageError, match="subnet_id, kms_key_id") as refused:
            site.run(lambda appliance, asked=asked: getattr(appliance.service, asked)(order))
        assert "--new" in refused.value.cure
    assert site.cloud.objects == before
    assert site.cloud.states[site.instance] == "running"


def test_a_plan_names_everything_and_touches_nothing(protected):
    site = protected
    before = dict(site.cloud.objects)
    order = InstanceRestore(point(site, "image-backup"))
    plan = site.run(lambda appliance: appliance.service.plan_restore(order))
    told = [(one.change, one.kind, one.temporary) for one in plan.objects]
    assert told == [
        (Change.CREATE, "role", True),
        (Change.CREATE, "instance-profile", True),
        (Change.CREATE, "queue", True),
        (Change.CREATE, "instance", True),
        (Change.CREATE, "snapshot", True),
        (Change.CREATE, "snapshot", True),
        (Change.STOP, "instance", False),
        (Change.REMOVE, "volume", False),
        (Change.REMOVE, "volume", False),
        (Change.CREATE, "volume", False),
        (Change.CREATE, "volume", False),
    ]
    assert "yes" in plan.warnings[0]
    assert site.cloud.objects == before
    local = InstanceRestore(point(site, "image-backup"), worker_mode="local")
    plan = site.run(lambda appliance: appliance.service.plan_restore(local))
    assert [one.kind for one in plan.objects if one.temporary] == ["snapshot", "snapshot"], "a process is no object"


def test_what_stands_in_the_way_is_said_before(protected):
    site = protected
    order = InstanceRestore(point(site, "snapshot"), place=Place.NEW, new=NewPlace(subnet_id="subnet-gone"))
    with pytest.raises(UsageError) as refused:
        restore(site, order)
    assert "subnet-gone is not there" in refused.value.why
    elsewhere = InstanceRestore(point(site, "snapshot"), place=Place.NEW, new=NewPlace(region="us-east-1"))
    with pytest.raises(UsageError) as refused:
        restore(site, elsewhere)
    assert "only an image backup" in refused.value.why


def test_an_image_backup_restores_into_another_region(protected):
    site = protected
    order = InstanceRestore(
        point(site, "image-backup"), place=Place.NEW, new=NewPlace(region="us-east-1", subnet_id="subnet-9")
    )

    async def act(appliance):
        opened = appliance.service.start_restore(order)
        while appliance.engine.running(opened.id):
            appliance.pump.pump("us-east-1", 0)
            await appliance.surface.surroundings.sleep(1)
        return opened

    session = site.records.sessions.get(site.run(act).id)
    assert session.state == State.SUCCEEDED, tasks(site, session)
    assert {one.region for one in owned(site, "volume")} == {"us-east-1"}
    assert {one.facts["zone"] for one in owned(site, "volume")} == {"us-east-1a"}


def test_a_point_without_its_root_is_no_instance(site):
    site.cloud.add_instance("web-1")
    site.policy(exclude=Exclusion(root_volumes=True))
    site.run_policy()
    plan = site.run(lambda appliance: appliance.service.plan_restore(InstanceRestore(point(site, "snapshot"))))
    assert any("root volume" in line for line in plan.problems)
    assert any("will be missing" in line for line in plan.warnings)


def test_a_cancelled_restore_leaves_nothing(protected):
    site = protected

    async def act(appliance):
        opened = appliance.service.start_restore(VolumeRestore(point(site, "image-backup")))
        await appliance.surface.surroundings.sleep(60)
        appliance.service.cancel_session(opened.id)
        return opened

    session = site.records.sessions.get(site.run(act).id)
    assert session.state == State.CANCELLED
    assert owned(site, "volume") == []
    assert owned(site, "instance") == []
    assert snapshots(site) == site.snapshots_before
    assert site.repository.pins == {}


@pytest.mark.parametrize("what", ["volume", "instance"])
def test_who_cancels_is_heard_while_ec2_makes_it(protected, what):
    site = protected
    site.cloud.states[site.instance] = "terminated"
    newest = point(site, "snapshot")
    heard = []

    def act(appliance):
        opened = appliance.service.start_restore(VolumeRestore(newest) if what == "volume" else InstanceRestore(newest))

        def cancel(name):
            if name == f"wait for {what}":
                heard.append(name)
                appliance.service.cancel_session(opened.id)

        site.cloud.on_call = cancel
        return opened

    session = site.records.sessions.get(site.run(act).id)
    assert session.state == State.CANCELLED
    assert len(heard) == 1, "nothing more is made"
    assert owned(site, "volume") == owned(site, "instance") == []
    assert {row.kind for row in site.records.ledger.open_rows()} == {"snapshot"}
    assert tasks(site, session)[0].result == {}


def test_a_lost_worker_of_a_restore_leaves_no_snapshot(protected):
    site = protected
    site.cloud.worker_world.fate = lambda owner: "dies" if owner.attempt == 1 else "works"
    session = restore(site, VolumeRestore(point(site, "image-backup")))
    assert session.state == State.SUCCEEDED, log(site, session)
    assert snapshots(site) == site.snapshots_before


def test_nobody_reads_the_user_data_of_a_point(protected):
    site = protected
    detail = site.run(lambda appliance: appliance.service.get_point(point(site, "snapshot")[:12]))
    assert detail.configuration["instance_id"] == site.instance
    assert detail.configuration["user_data"] is None


def test_a_key_serves_its_own_region_alone(site):
    """Elsewhere a volume is encrypted under that region's default key, or the one that is named; and a plan says so."""
    key, other = "arn:aws:kms:eu-central-1:123456789012:key/k", "arn:aws:kms:us-east-1:123456789012:key/o"
    instance_id = site.cloud.add_instance("web-1")
    made = site.cloud.instances[instance_id]
    volumes = tuple(replace(volume, encrypted=True, kms_key_id=key) for volume in made.volumes)
    site.cloud.instances[instance_id] = replace(made, volumes=volumes)
    site.policy()
    assert site.run_policy().state == State.SUCCEEDED
    backup = point(site, "image-backup")

    def planned(new):
        def act(appliance):
            planner = appliance.workflows.planner
            order = InstanceRestore(backup, place=Place.NEW, new=new)
            wanted = planner.instance_order(order, planner.source(backup))
            warnings = [line for line in planner.plan_instance(order).warnings if "default key" in line]
            return {(one.encrypted, one.kms_key_id) for one in wanted.volumes.values()}, len(warnings)

        return site.run(act)

    assert planned(NewPlace()) == ({(True, key)}, 0)
    assert planned(NewPlace(region="us-east-1")) == ({(True, None)}, 2)
    assert planned(NewPlace(region="us-east-1", kms_key_id=other)) == ({(True, other)}, 0)


@pytest.mark.parametrize("forged", [lambda told: dict(list(told.items())[:1]), lambda told: {one: {} for one in told}])
def test_a_result_that_lacks_a_volume_or_its_snapshot_is_refused(protected, monkeypatch, forged):
    """An instance would come back without its data disk, and be called restored."""
    site, told = protected, protected.repository.restored
    monkeypatch.setattr(site.repository, "restored", lambda *asked: forged(told(*asked) or {}))
    session = restore(site, InstanceRestore(point(site, "image-backup"), place=Place.NEW, new=NewPlace()))
    assert session.state == State.FAILED
    assert [task.error.code for task in tasks(site, session) if task.error] == ["damaged"]
    assert owned(site, "volume") == []
    assert snapshots(site) == site.snapshots_before
    assert site.repository.pins == {}


@pytest.mark.parametrize(
    ("platform", "told"),
    [
        ("Windows", "it is not made then"),
        ("Red Hat Enterprise Linux", "it is billed as Linux/UNIX then"),
        ("Linux/UNIX", ""),
        ("", ""),
    ],
)
def test_a_plan_says_what_a_licensed_platform_may_lose(site, platform, told):
    """Only where a worker writes the root volume, and the instance is made again."""
    instance = site.cloud.add_instance("web-1")
    site.cloud.instances[instance] = replace(site.cloud.instances[instance], platform=platform)
    site.policy()
    assert site.run_policy().state == State.SUCCEEDED

    def warnings(kind):
        order = InstanceRestore(point(site, kind), replace=True)
        plan = site.run(lambda appliance: appliance.service.plan_restore(order))
        return [one for one in plan.warnings if platform and platform in one]

    assert warnings("image-backup") == []
    site.cloud.states[instance] = "terminated"
    assert warnings("snapshot") == []
    assert [one.partition(": ")[2].partition(":")[0] for one in warnings("image-backup")] == ([told] if told else [])
