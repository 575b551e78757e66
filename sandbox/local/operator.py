"""The people of the sandbox: IAM users whose keys the command line signs with. One operates, the other
approves: nobody approves what they applied or started themselves."""


import json

# In an account, people need `execute-api:Invoke` on the console's API and nothing else. In the
# sandbox they also look around with the AWS CLI.
POLICY = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


def create_person(identity, name: str) -> dict[str, str]:
    """Makes the user and returns its credentials as environment variables. The console sees
    `arn:aws:iam::000000000000:user/NAME` as the caller."""
    identity.create_user(UserName=name)
    identity.put_user_policy(UserName=name, PolicyName="everything", PolicyDocument=json.dumps(POLICY))
    key = identity.create_access_key(UserName=name)["AccessKey"]
    return {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}
