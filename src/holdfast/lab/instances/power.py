"""The states of an instance, and what happens between them.

    run -> pending -> running -> stopping -> stopped -> pending -> ...
              `----------`-----> shutting-down -> terminated

An instance leaves `stopping` and `shutting-down` only when its last process is gone. Threads of its own do what takes
time, so no request waits for it.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from holdfast.lab.faults import DEFAULT_VCPUS
from holdfast.lab.instances.instance_folder import InstanceFolder
from holdfast.lab.instances.machine import Machine
from holdfast.lab.instances.metadata_server import Metadata, MetadataServer
from holdfast.lab.instances.supervisor import REBOOT
from holdfast.lab.instances.user_data import read_user_data

PENDING, RUNNING, STOPPING, STOPPED = "pending", "running", "stopping", "stopped"
SHUTTING_DOWN, TERMINATED = "shutting-down", "terminated"
CODES = {PENDING: 0, RUNNING: 16, SHUTTING_DOWN: 32, TERMINATED: 48, STOPPING: 64, STOPPED: 80}
_STEP_SECONDS = 0.02


@dataclass(slots=True)
class InstanceFaults:
    """What goes wrong with instances from now on: `boots` off, and user data is never started; `checks` off, and the
    status checks of what runs fail; `vcpus` is the quota of an account in a region. Of types in `no_room` there is none
    left, those in `not_offered` do not exist: as `TYPE` everywhere, as `TYPE@ZONE` there. With a code in `launch`, what
    is launched ends for that reason before it runs.
    """

    boots: bool = True
    vcpus: int = DEFAULT_VCPUS
    checks: bool = True
    no_room: tuple[str, ...] = ()
    not_offered: tuple[str, ...] = ()
    launch: str = ""


@dataclass(frozen=True, slots=True)
class InstanceWorld:
    """What all instances of a lab share; `endpoint` is the lab's own, `now` its time in seconds."""

    folder: Path
    endpoint: str
    now: Callable[[], float]
    pending_seconds: float
    faults: InstanceFaults = field(default_factory=InstanceFaults)

    def usable_at(self) -> float:
        """The lab's time at which what begins now has taken effect."""
        return self.now() + self.pending_seconds

    def wait_for(self, moment: float) -> None:
        """Wait until the lab's time is that."""
        while (left := moment - self.now()) > 0:
            time.sleep(min(left, _STEP_SECONDS))


class Power:
    """One instance from its launch to its end.

    `user_data` is asked at every boot. `off_from_inside` is called when the instance powers itself off, `terminated`
    once when its end is complete; both from a thread of the instance's own.
    """

    def __init__(
        self,
        world: InstanceWorld,
        instance_id: str,
        metadata: Metadata,
        user_data: Callable[[], bytes],
        off_from_inside: Callable[[], None],
        terminated: Callable[[], None],
    ) -> None:
        self.folder = InstanceFolder(world.folder / instance_id)
        self.state = PENDING
        self.running_since: float | None = None
        self._world = world
        self._id = instance_id
        self._metadata = metadata
        self._user_data = user_data
        self._off_from_inside = off_from_inside
        self._terminated = terminated
        self._lock = threading.RLock()
        self._booted_before = False
        self._rebooting = False
        self._lab_ends = False
        self._server: MetadataServer | None = None
        self._machine: Machine | None = None
        self._off = threading.Event()
        self._off.set()

    @property
    def checked(self) -> bool:
        """Whether EC2's checks of a running instance have had the time to pass."""
        since = self.running_since
        return self.state == RUNNING and since is not None and self._world.now() >= since + self._world.pending_seconds

    @property
    def impaired_since(self) -> float | None:
        """The moment from which EC2's checks fail, as far as they have been made; an instance that was launched so has
        been impaired from its launch (EC2 API reference, InstanceStatusDetails).
        """
        return None if self._world.faults.checks or not self.checked else self.running_since

    @property
    def machine(self) -> Machine | None:
        """What runs at this moment."""
        return self._machine

    def start(self) -> None:
        """From nothing, or from `stopped`: to `running`."""
        with self._lock:
            self.state = PENDING
        self._in_background(self._boot, self._world.usable_at())

    def fail(self, because: Callable[[], None]) -> None:
        """From nothing to `terminated`, without ever running; `because` is called when that shows."""
        self._in_background(self._fail, self._world.usable_at(), because)

    def stop(self) -> None:
        """To `stopped`; anything but a running or pending instance is left alone."""
        with self._lock:
            if self.state not in (PENDING, RUNNING):
                return
            self.state = STOPPING
        self._in_background(self._settle, self._world.usable_at(), STOPPED)

    def terminate(self) -> None:
        """To `terminated`, from wherever it is."""
        with self._lock:
            if self.state in (SHUTTING_DOWN, TERMINATED):
                return
            self.state = SHUTTING_DOWN
        self._in_background(self._settle, self._world.usable_at(), TERMINATED)

    def reboot(self) -> None:
        """End all processes and boot again; the state stays `running`."""
        with self._lock:
            if self.state != RUNNING or self._machine is None:
                return
            self._rebooting = True
            self._machine.switch_off()

    def end(self) -> Machine | None:
        """The lab ends, and so does everything that runs; what is ending is handed back, to be waited for."""
        with self._lock:
            self._lab_ends = True
            machine = self._machine
            if machine is not None:
                machine.switch_off()
        return machine

    def _in_background(self, work: Callable[..., None], *arguments: object) -> None:
        threading.Thread(target=work, args=arguments, name=f"power {self._id}", daemon=True).start()

    def _boot(self, moment: float) -> None:
        self._world.wait_for(moment)
        with self._lock:
            if self.state == PENDING and not self._lab_ends:
                # Who sees it run may mend the fault: that goes for the next boot.
                boots = self._world.faults.boots
                self.state = RUNNING
                self.running_since = self._world.now()
                self._server = MetadataServer(self._metadata)
                self._switch_on(self._server.endpoint, boots)

    def _fail(self, moment: float, because: Callable[[], None]) -> None:
        self._world.wait_for(moment)
        because()
        self.terminate()

    def _switch_on(self, metadata_endpoint: str, boots: bool) -> None:
        first_boot = not self._booted_before
        self.folder.make()
        self.folder.note(f"[{self._id}] boots")
        data = read_user_data(self._user_data())
        for words in data.ignored:
            self.folder.note(f"cloud-init: user data that the lab does not run: {words}")
        programs = data.programs(first_boot)
        if not boots:
            self.folder.note("a fault of the lab: this boot ends here")
            return
        self._booted_before = True
        try:
            self._machine = Machine(
                self.folder.path,
                self.folder.write_programs(programs),
                self.folder.environment(self._world.endpoint, metadata_endpoint),
                self._on_wish,
                self._on_machine_off,
            )
        except OSError as error:  # this machine has no room for another process: a boot that ends before it began
            self.folder.note(f"[{self._id}] does not start: {error}")
            return
        # Whose end sets it waits for the lock that is held here.
        self._off.clear()

    def _on_wish(self, words: str) -> None:
        """The supervisor ends its processes already; what is left is to say so."""
        if words == REBOOT:
            with self._lock:
                self._rebooting = self.state == RUNNING
        else:
            self._off_from_inside()

    def _on_machine_off(self) -> None:
        with self._lock:
            self._machine = None
            self._off.set()
            rebooting, self._rebooting = self._rebooting, False
            if self.state != RUNNING or self._lab_ends:
                return
            if rebooting and self._server is not None:
                self._switch_on(self._server.endpoint, self._world.faults.boots)
                return
        # Its supervisor was killed: a machine that goes dark.
        self._off_from_inside()

    def _settle(self, moment: float, target: str) -> None:
        with self._lock:
            machine, server = self._machine, self._server
            self._server = None
            if machine is not None:
                machine.switch_off()
        self._world.wait_for(moment)
        self._off.wait()
        if server is not None:
            server.close()
        if target == TERMINATED:
            self._terminated()
            self.folder.forget_home()
        with self._lock:
            if self.state == (SHUTTING_DOWN if target == TERMINATED else STOPPING):
                self.state = target
