"""Users, roles and keys in moto, and whether it asks for them."""

import contextlib
import json
import urllib.request

from common import client


def allow(*actions):
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": list(actions), "Resource": "*"}]})


def trust(action="sts:AssumeRole", **conditions):
    statement = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": action}
    if conditions:
        statement["Condition"] = conditions
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def enforce(url, on):
    """Whether every request must be signed by a key that may do what it asks. While it is on, an unsigned request makes moto fall over."""
    count = b"0" if on else b"99999"
    request = urllib.request.Request(f"{url}/moto-api/reset-auth", data=count, headers={"Content-Type": "text/plain"})
    assert urllib.request.urlopen(request, timeout=10).status == 200


@contextlib.contextmanager
def unenforced(url):
    enforce(url, False)
    try:
        yield
    finally:
        enforce(url, True)


def make_user(url, name, policy):
    iam = client("iam", url)
    iam.create_user(UserName=name)
    if policy:
        iam.put_user_policy(UserName=name, PolicyName="policy", PolicyDocument=policy)
    return make_key(url, name)


def make_key(url, name):
    made = client("iam", url).create_access_key(UserName=name)["AccessKey"]
    return {"key": made["AccessKeyId"], "secret": made["SecretAccessKey"]}


def make_role(url, name, policy, trust_policy):
    iam = client("iam", url)
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust_policy)["Role"]["Arn"]
    if policy:
        iam.put_role_policy(RoleName=name, PolicyName="policy", PolicyDocument=policy)
    return arn
