"""Instances run their user data as real processes, and their states are what happens to those."""

import os
import signal
import sys
from urllib.error import HTTPError

import pytest
from botocore.exceptions import ClientError

from tests.e2e.lab.account import HOUR_SECONDS, Account, until
from tests.e2e.lab.fleet import ASKING, Fleet, all_gone
from tests.labs import start_lab

# A process, one in a session of its own without an environment, one that will not hear SIGTERM.
CLINGING = """#!/bin/sh
sleep 1000 &
env -i setsid sleep 1001 &
(trap '' TERM; while :; do sleep 0.2; done) &
echo settled
wait
"""


@pytest.fixture(scope="module")
def fleet():
    with start_lab(faults="quota=off,pending=100ms") as lab:
        yield Fleet(Account(lab.endpoint))


def test_user_data_runs_in_a_clean_world_of_its_own(fleet):
    script = "#!/bin/sh\ntr '\\0' '\\n' < /proc/$$/environ\necho \"in $PWD\"; command -v python3; ps -o sid= -p $$\n"
    instance_id = fleet.launch(script)
    console = fleet.prints(instance_id, "part-001 ended with status 0").splitlines()
    names = {line.split("=")[0] for line in console if "=" in line}
    assert names == {"HOME", "PATH", "AWS_ENDPOINT_URL", "AWS_EC2_METADATA_SERVICE_ENDPOINT"}
    home = next(line for line in console if line.startswith("HOME=")).removeprefix("HOME=")
    assert f"in {home}" in console
    assert instance_id in home
    path = next(line for line in console if line.startswith("PATH=")).removeprefix("PATH=")
    assert path.split(":")[1:] == ["/usr/local/bin", "/usr/bin", "/bin"]
    fleet.terminated(instance_id)


def test_python_of_an_instance_has_no_package_of_the_lab(fleet):
    script = (
        ASKING + "import importlib.util, sys\nsay(holdfast=bool(importlib.util.find_spec('holdfast')), at=sys.prefix)\n"
    )
    said = fleet.says(fleet.launch(script))
    assert said == {"holdfast": False, "at": sys.base_prefix}


def test_user_data_that_fails_is_said_on_the_console(fleet):
    console = fleet.prints(fleet.launch("#!/bin/sh\necho oh >&2\nexit 3\n"), "ended with status 3")
    assert "oh\n" in console
    assert "cannot be run" in fleet.prints(fleet.launch("#!/no/such/shell\n"), "cannot be run")


def test_instance_takes_time_to_run_and_stays_when_its_script_has_ended(slow_account):
    fleet = Fleet(slow_account)
    instance_id = fleet.launch("#!/bin/sh\necho done\n")
    assert (fleet.state(instance_id), fleet.console(instance_id)) == ("pending", "")
    fleet.account.advance(HOUR_SECONDS)
    fleet.reaches(instance_id, "running")
    fleet.prints(instance_id, "ended with status 0")
    assert fleet.state(instance_id) == "running"
    assert fleet.pids(instance_id) == []
    fleet.account.ec2.stop_instances(InstanceIds=[instance_id])
    assert fleet.state(instance_id) == "stopping"
    fleet.account.advance(HOUR_SECONDS)
    fleet.reaches(instance_id, "stopped")
    fleet.account.ec2.terminate_instances(InstanceIds=[instance_id])
    assert fleet.state(instance_id) == "shutting-down"
    fleet.account.advance(HOUR_SECONDS)
    fleet.reaches(instance_id, "terminated")


@pytest.mark.parametrize("action", ["stop_instances", "terminate_instances"])
def test_the_end_of_an_instance_is_the_end_of_every_process(fleet, action):
    instance_id = fleet.launch(CLINGING)
    fleet.prints(instance_id, "settled")
    until(lambda: len(fleet.pids(instance_id)) >= 5)
    pids = fleet.pids(instance_id)
    getattr(fleet.account.ec2, action)(InstanceIds=[instance_id])
    fleet.reaches(instance_id, {"stop_instances": "stopped"}.get(action, "terminated"))
    assert all_gone(pids)


def test_processes_hear_sigterm_before_they_are_killed(fleet):
    script = "#!/bin/sh\ntrap 'echo told; exit' TERM\necho ready\nwhile :; do sleep 0.1; done\n"
    instance_id = fleet.launch(script)
    fleet.prints(instance_id, "ready")
    fleet.terminated(instance_id)
    assert "told" in fleet.console(instance_id)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_no_process_outlives_the_lab(how):
    with start_lab(faults="pending=100ms") as lab:
        fleet = Fleet(Account(lab.endpoint))
        instance_id = fleet.launch(CLINGING)
        fleet.prints(instance_id, "settled")
        until(lambda: len(fleet.pids(instance_id)) >= 5)
        pids = fleet.pids(instance_id)
        os.kill(lab.pid, how)
        until(lambda: all_gone(pids))


def test_orphans_of_a_killed_supervisor_are_found_and_the_instance_stops(fleet):
    instance_id = fleet.launch("#!/bin/sh\nsetsid sleep 1000 &\necho settled\nexec sleep 1000\n")
    fleet.prints(instance_id, "settled")
    pids = fleet.pids(instance_id)
    supervisor = next(int(line.split()[1]) for line in _status(pids[0]) if line.startswith("PPid:"))
    os.kill(supervisor, signal.SIGKILL)
    fleet.reaches(instance_id, "stopped")
    assert all_gone(pids)


def _status(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        return file.read().splitlines()


def test_a_script_runs_once_and_a_boothook_at_every_boot(fleet):
    hook = "#cloud-boothook\n#!/bin/sh\necho every time\n"
    archive = _mime(hook, "#!/bin/sh\necho 'only once'\necho kept > file\n")
    instance_id = fleet.launch(archive)
    fleet.prints(instance_id, "part-002 ended")
    fleet.account.ec2.stop_instances(InstanceIds=[instance_id])
    fleet.reaches(instance_id, "stopped")
    fleet.account.ec2.start_instances(InstanceIds=[instance_id])
    fleet.reaches(instance_id, "running")
    console = fleet.prints(instance_id, "every time\n", times=2)
    assert console.count("only once\n") == 1


def test_home_stays_when_an_instance_stops_and_goes_with_it(fleet):
    instance_id = fleet.launch("#cloud-boothook\n#!/bin/sh\ncat file; echo kept > file\n")
    fleet.prints(instance_id, "ended with status")
    fleet.account.ec2.reboot_instances(InstanceIds=[instance_id])
    fleet.prints(instance_id, "kept\n")
    assert fleet.state(instance_id) == "running"
    (home,) = [i["home"] for i in fleet.account.lab("instances")["instances"] if i["instance_id"] == instance_id]
    assert os.path.exists(home)
    fleet.terminated(instance_id)
    assert not os.path.exists(home)
    assert "kept\n" in fleet.console(instance_id)


def _mime(*parts):
    pieces = "".join(f"--==\nContent-Type: text/plain\n\n{part}\n" for part in parts)
    return f'Content-Type: multipart/mixed; boundary="=="\nMIME-Version: 1.0\n\n{pieces}--==--\n'


@pytest.mark.parametrize("command", ["shutdown -h now", "poweroff", "halt", "shutdown now"])
def test_an_instance_that_switches_itself_off_stops(fleet, command):
    instance_id = fleet.launch(f"#!/bin/sh\nsleep 1000 &\n{command}\nwait\n")
    fleet.reaches(instance_id, "stopped")
    assert fleet.instance(instance_id)["StateReason"]["Code"] == "Client.InstanceInitiatedShutdown"
    fleet.account.ec2.start_instances(InstanceIds=[instance_id])
    fleet.reaches(instance_id, "running")


def test_an_instance_that_switches_itself_off_terminates_where_that_was_asked_for(fleet):
    instance_id = fleet.launch("#!/bin/sh\npoweroff\nsleep 9\n", InstanceInitiatedShutdownBehavior="terminate")
    fleet.reaches(instance_id, "terminated")
    assert instance_id not in fleet.account.lab("census")["123456789012"]["instances"]


def test_state_changes_that_cannot_be_are_refused(fleet):
    instance_id = fleet.launched()
    ec2 = fleet.account.ec2
    fleet.terminated(instance_id)
    for action in (ec2.start_instances, ec2.stop_instances):
        with pytest.raises(ClientError, match="IncorrectInstanceState"):
            action(InstanceIds=[instance_id])
    (change,) = ec2.terminate_instances(InstanceIds=[instance_id])["TerminatingInstances"]
    assert (change["PreviousState"]["Code"], change["CurrentState"]["Code"]) == (48, 48)


def test_protected_instances_are_neither_stopped_nor_terminated(fleet):
    ec2 = fleet.account.ec2
    instance_id = fleet.launched(DisableApiTermination=True, DisableApiStop=True)
    for action in (ec2.stop_instances, ec2.terminate_instances):
        with pytest.raises(ClientError, match="OperationNotPermitted"):
            action(InstanceIds=[instance_id])
    shown = ec2.describe_instance_attribute(InstanceId=instance_id, Attribute="disableApiTermination")
    assert shown["DisableApiTermination"]["Value"] is True
    ec2.modify_instance_attribute(InstanceId=instance_id, DisableApiTermination={"Value": False})
    fleet.terminated(instance_id)


def test_a_terminated_instance_is_shown_for_an_hour(new_account):
    fleet = Fleet(new_account())
    instance_id = fleet.launched()
    fleet.terminated(instance_id)
    fleet.account.advance(3000)
    assert fleet.state(instance_id) == "terminated"
    fleet.account.advance(600)
    with pytest.raises(ClientError, match=r"InvalidInstanceID\.NotFound"):
        fleet.state(instance_id)


def test_status_checks_are_of_running_instances(fleet):
    ec2 = fleet.account.ec2
    instance_id = fleet.launched()

    def status():
        (found,) = ec2.describe_instance_status(InstanceIds=[instance_id])["InstanceStatuses"]
        return found["InstanceStatus"]["Status"]

    assert status() in ("initializing", "ok")
    until(lambda: status() == "ok")
    ec2.stop_instances(InstanceIds=[instance_id])
    fleet.reaches(instance_id, "stopped")
    assert ec2.describe_instance_status(InstanceIds=[instance_id])["InstanceStatuses"] == []
    everything = ec2.describe_instance_status(InstanceIds=[instance_id], IncludeAllInstances=True)
    assert everything["InstanceStatuses"][0]["InstanceState"]["Name"] == "stopped"


def test_status_checks_fail_where_they_are_to(fleet):
    """The host's pass all the same; and since when they fail (EC2 API reference, InstanceStatusDetails)."""
    instance_id = fleet.launched()

    def status():
        (found,) = fleet.account.ec2.describe_instance_status(InstanceIds=[instance_id])["InstanceStatuses"]
        return found

    fleet.account.lab("instances/faults", {"checks": "impaired"}, "PUT")
    until(lambda: status()["InstanceStatus"]["Status"] == "impaired")
    told = status()
    (detail,) = told["InstanceStatus"]["Details"]
    assert (detail["Name"], detail["Status"], told["SystemStatus"]["Status"]) == ("reachability", "failed", "ok")
    assert detail["ImpairedSince"]
    fleet.account.lab("instances/faults", {"checks": "ok"}, "PUT")
    assert status()["InstanceStatus"]["Status"] == "ok"
    with pytest.raises(HTTPError):
        fleet.account.lab("instances/faults", {"checks": "perhaps"}, "PUT")


def test_monitoring_is_switched_on_and_off(fleet):
    """EC2 API reference, MonitorInstances and UnmonitorInstances."""
    ec2, ids = fleet.account.ec2, [fleet.launched()]

    def monitored():
        return ec2.describe_instances(InstanceIds=ids)["Reservations"][0]["Instances"][0]["Monitoring"]["State"]

    answer = ec2.monitor_instances(InstanceIds=ids)["InstanceMonitorings"]
    assert answer == [{"InstanceId": ids[0], "Monitoring": {"State": "pending"}}]
    assert monitored() == "enabled"
    assert ec2.unmonitor_instances(InstanceIds=ids)["InstanceMonitorings"][0]["Monitoring"]["State"] == "disabling"
    assert monitored() == "disabled"
    with pytest.raises(ClientError, match=r"InvalidInstanceID\.NotFound"):
        ec2.monitor_instances(InstanceIds=["i-0123456789abcdef0"])


def test_instances_are_not_kept_with_the_state_but_their_volumes_are(new_account, tmp_path):
    with start_lab(tmp_path, "pending=50ms") as lab:
        fleet = Fleet(Account(lab.endpoint))
        instance_id = fleet.launched("#!/bin/sh\necho kept > file\n")
        (root,) = fleet.volumes(instance_id).values()
    account = new_account(state=tmp_path)
    assert account.ec2.describe_instances()["Reservations"] == []
    assert account.volume(root)["State"] == "available"
    assert account.content(root, 0).startswith(b"debian-12")
    assert not list(tmp_path.glob("instances/*"))
