"""Network interfaces as EC2 has them: addresses belong to one interface each, groups to the interface itself."""

import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models.elastic_network_interfaces import NetworkInterface
from moto.ec2.models.subnets import Subnet

# AWS keeps the first four addresses of a subnet and the last one.
RESERVED_FIRST = 4


class LabNetworkInterface(NetworkInterface):
    """An interface whose groups are its own, whatever its instance has elsewhere."""

    @property
    def network_interface_id(self) -> str:
        """The id, under the name that instances show it by."""
        return self.id

    @property
    def group_set(self) -> Any:
        """The security groups."""
        return self._group_set

    @property
    def addresses(self) -> tuple[str, ...]:
        """All private addresses, the primary one first."""
        listed = sorted(self.private_ip_addresses, key=lambda address: not address.get("Primary"))
        return tuple(address["PrivateIpAddress"] for address in listed)

    @property
    def elastic_address(self) -> Any:
        """The elastic address that is associated with it, if one is."""
        return next((a for a in list(self.ec2_backend.addresses) if a.eni is self), None)

    def start(self) -> None:
        """Its instance starts: a public address that comes by itself is another one each time."""
        if self.elastic_address is None:
            super().start()

    def stop(self) -> None:
        """Its instance stops: an elastic address stays."""
        if self.elastic_address is None:
            super().stop()

    def delete(self) -> None:
        """Away with it; its addresses are free."""
        self.ec2_backend.enis.pop(self.id, None)

    def get_filter_value(self, filter_name: str, method_name: str | None = None) -> Any:
        """What DescribeNetworkInterfaces compares a filter with."""
        match filter_name:
            case "addresses.private-ip-address":
                return list(self.addresses)
            case "attachment.device-index":
                return str(self.device_index) if self.instance else None
            case "status":
                return self.status
            case "mac-address":
                return self.mac_address
        return super().get_filter_value(filter_name, method_name)


def taken_addresses(interfaces: Iterable[NetworkInterface], subnet: Subnet) -> set[str]:
    """The addresses of a subnet that interfaces have."""
    return {
        address["PrivateIpAddress"]
        for interface in interfaces
        if interface.subnet.id == subnet.id
        for address in interface.private_ip_addresses
    }


def choose_addresses(
    subnet: Subnet,
    taken: set[str],
    primary: str | None,
    listed: Iterable[Mapping[str, Any] | str],
    more_count: int,
) -> list[dict[str, Any]]:
    """The addresses of a new interface: those asked for, the primary one first, and free ones for the rest.

    EC2's errors for addresses that are taken, or that are none of the subnet.
    """
    asked = [{"PrivateIpAddress": a} if isinstance(a, str) else dict(a) for a in listed]
    primary = primary or next((a["PrivateIpAddress"] for a in asked if a.get("Primary")), None)
    secondary = [a["PrivateIpAddress"] for a in asked if a["PrivateIpAddress"] != primary]
    taken = set(taken)
    for address in ([primary] if primary else []) + secondary:
        _check(subnet, taken, address)
        taken.add(address)
    free = _free(subnet, taken)
    chosen = [primary or _next(free, subnet), *secondary]
    chosen += [_next(free, subnet) for _ in range(more_count)]
    return [{"Primary": not position, "PrivateIpAddress": address} for position, address in enumerate(chosen)]


def _check(subnet: Subnet, taken: set[str], address: str) -> None:
    try:
        inside = ipaddress.ip_address(address) in subnet.cidr
    except ValueError:
        raise EC2ClientError("InvalidParameterValue", f"invalid value for parameter address: {address}") from None
    if not inside:
        raise EC2ClientError(
            "InvalidParameterValue", f"Address {address} does not fall within the subnet's address range"
        )
    if address in _reserved(subnet):
        raise EC2ClientError("InvalidParameterValue", f"Address {address} is in subnet's reserved address range")
    if address in taken:
        raise EC2ClientError("InvalidIPAddress.InUse", f"Address {address} is in use.")


def _reserved(subnet: Subnet) -> set[str]:
    network = subnet.cidr
    return {str(network[number]) for number in range(RESERVED_FIRST)} | {str(network.broadcast_address)}


def _free(subnet: Subnet, taken: set[str]) -> Iterator[str]:
    reserved = _reserved(subnet)
    return (str(a) for a in subnet.cidr if str(a) not in reserved and str(a) not in taken)


def _next(free: Iterator[str], subnet: Subnet) -> str:
    address = next(free, None)
    if address is None:
        raise EC2ClientError(
            "InsufficientFreeAddressesInSubnet",
            f"There are not enough free addresses in subnet '{subnet.id}'.",
        )
    return address
