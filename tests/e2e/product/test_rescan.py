"""An appliance is lost with everything that it knew; another one takes on what lies in the repository."""

import shutil

from holdfast.lab.actors import DATA_DEVICE

MIB = 1024**2


def test_a_new_appliance_takes_on_what_a_lost_one_left(ready):
    people = ready.people
    instance = ready.people.start_instance("web-1", 64 * MIB, {"backup": "daily"})
    backup = {"repository": "main", "retention": {"keep": 2}}
    ready.apply("web", select={"tags": {"backup": "daily"}}, backup=backup)
    points = [ready.run("web")["tasks"][0]["result"]["restore_point"] for _ in range(2)]
    expected, was = ready.content(instance), people.instance(instance)

    ready.appliance.process.kill()
    shutil.rmtree(ready.appliance.home)
    ready.do("appliance", "remove", "north", "--yes")
    assert ready.do("point", "list")["points"] == []
    people.destroy(instance)

    ready.appliance = ready.start_appliance("heir")
    ready.connect("heir", ready.appliance)
    nothing = {"repository": "main", "points": 0, "added": 0, "warnings": [], "elsewhere": 0}
    assert ready.do("repository", "rescan", "main") == nothing
    ready.do("account", "add", "own")
    assert ready.do("repository", "rescan", "main")["added"] == 2
    again = ready.do("repository", "rescan", "main", "--appliance", "heir")
    assert (again["points"], again["added"]) == (2, 0)
    listed = ready.until(lambda: two(ready.do("point", "list", "--workload", instance)["points"]))
    assert [one["id"] for one in listed] == points[::-1], "newest first"
    shown = ready.do("point", "show", points[1])
    assert shown["configuration"]["instance_type"] == was["InstanceType"]

    done = ready.do("restore", "instance", points[1], "--worker-mode", "local", "--yes")
    restored = done["tasks"][0]["result"]["instance_id"]
    assert ready.content(restored) == expected
    assert people.instance(restored)["PrivateIpAddress"] == was["PrivateIpAddress"]
    people.check_file_system(people.disks(restored)[DATA_DEVICE])

    # Neither the repository nor the account goes while points that are listed need it, unless these are forgotten.
    assert "2 listed restore points" in ready.refused("repository", "remove", "main", "--yes", status=7)
    assert "2 listed restore points" in ready.refused("account", "remove", "own", "--yes", status=7)
    ready.do("repository", "remove", "main", "--forget-points", "--yes")
    ready.until(lambda: ready.do("point", "list")["points"] == [])
    ready.do("repository", "add", "main", "s3://backups/main")
    assert ready.do("repository", "rescan", "main")["added"] == 2

    assert ready.do("appliance", "show", "heir")["history"] == {"keep_days": 90}
    assert ready.do("appliance", "edit", "heir", "--keep-sessions", "forever")["history"] == {"keep_days": None}
    assert ready.do("appliance", "show", "heir")["history"] == {"keep_days": None}
    assert "0 days" in ready.refused("appliance", "edit", "heir", "--keep-sessions", "0", status=2)


def two(points):
    return points if len(points) == 2 else None
