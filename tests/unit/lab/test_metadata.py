"""The metadata service without its port: tokens, paths, and what is listed where."""

from holdfast.lab.instances.metadata_server import MAX_TOKEN_SECONDS, TOKEN_PATH, Metadata
from holdfast.lab.instances.metadata_tree import InstanceFacts, InterfaceFacts, documents, look_up

INTERFACE = InterfaceFacts("02:00:00:00:00:01", "eni-1", 0, ("10.0.0.4", "10.0.0.5"), "subnet-1", "10.0.0.0/24", "vpc-1", ("sg-1",))  # fmt: skip # noqa: E501
FACTS = InstanceFacts(
    instance_id="i-1", account="123456789012", region="us-east-1", zone="us-east-1a", zone_id="use1-az1",
    image_id="ami-1", instance_type="t3.small", architecture="x86_64", hostname="ip-10-0-0-4.ec2.internal",
    public_address=None, launched_at="2026-01-01T00:00:00Z", security_groups=("default",), interfaces=(INTERFACE,),
    profile_arn="arn:aws:iam::123456789012:instance-profile/p", profile_id="AIPA1", role="worker",
)  # fmt: skip


class Service:
    def __init__(self, facts=FACTS):
        self.now = 1000.0
        self.metadata = Metadata(lambda: facts, lambda: "{}", lambda: self.now)

    def token(self, ttl="60", path=TOKEN_PATH, forwarded=False):  # the service's name
        return self.metadata.put(path, ttl, forwarded)

    def get(self, path, token):
        status, body, _ = self.metadata.get(path, token)
        return int(status), body.decode()


def test_token_opens_until_it_expires():
    service = Service()
    status, token, headers = service.token()
    assert (status, headers) == (200, {"X-aws-ec2-metadata-token-ttl-seconds": "60"})
    assert service.get("latest/meta-data/instance-id", token.decode()) == (200, "i-1")
    service.now += 61
    assert service.get("latest/meta-data/instance-id", token.decode())[0] == 401


def test_token_is_given_for_a_time_and_to_nobody_behind_a_proxy():
    service = Service()
    for ttl in (None, "", "0", "-1", "x", str(MAX_TOKEN_SECONDS + 1)):
        assert service.token(ttl)[0] == 400
    assert service.token(forwarded=True)[0] == 403
    assert service.token(path="latest/meta-data")[0] == 404


def test_endpoint_that_is_switched_off_answers_nothing():
    service = Service(facts=None)
    assert (service.token()[0], service.get("latest/meta-data/", "x")[0]) == (403, 403)


def test_credentials_are_those_handed_in():
    service = Service()
    token = service.token()[1].decode()
    assert service.get("latest/meta-data/iam/security-credentials/", token) == (200, "worker")
    assert service.get("latest/meta-data/iam/security-credentials/worker", token) == (200, "{}")
    assert service.get("latest/meta-data/iam/security-credentials/other", token)[0] == 404


def test_folders_list_what_is_below_them():
    tree = documents(FACTS)
    assert look_up(tree, "latest/") == b"dynamic/\nmeta-data/"
    assert look_up(tree, "latest") == b"dynamic/\nmeta-data/"
    assert look_up(tree, "latest/meta-data/network/interfaces/macs/") == b"02:00:00:00:00:01/"
    base = "latest/meta-data/network/interfaces/macs/02:00:00:00:00:01/"
    assert look_up(tree, base + "local-ipv4s") == b"10.0.0.4\n10.0.0.5"
    assert look_up(tree, "latest/user-data") is None
    assert look_up(tree, "latest/meta-data/tags/") is None
