"""Stands in for any function: does what the test wrote into `script.json`, and notes each call.

`script.json` maps a function's name to a list of replies, one per call, the last repeated. A reply is
the value to return, or `{"error": TYPE}`, or `{"exit": CODE}` for a process that dies. An event
`{"aws": [[SERVICE, OPERATION, INPUT], …]}` makes the function call AWS with its own credentials and
return what came of each call: `ok`, or the error's code.
"""

import fcntl
import json
import os
import sys
import urllib.request
from pathlib import Path

NAME = os.environ["AWS_LAMBDA_FUNCTION_NAME"].rsplit("-", 1)[1]
RUNTIME = f"http://{os.environ['AWS_LAMBDA_RUNTIME_API']}/2018-06-01/runtime"
CLIENTS: dict = {}
HERE = Path(os.environ.get("STAND_IN_DIRECTORY") or Path(__file__).parents[1])


def note(event: object) -> int:
    """Appends the call to the log; returns how many calls this function had before for this wave."""
    wave = event.get("wave") if isinstance(event, dict) else None
    with open(HERE / "calls.jsonl", "a+") as log:
        fcntl.flock(log, fcntl.LOCK_EX)
        log.seek(0)
        before = [json.loads(line) for line in log]
        log.write(json.dumps({"function": NAME, "wave": wave, "event": event}) + "\n")
    return sum(1 for call in before if call["function"] == NAME and call["wave"] == wave)


def reply(event: object) -> object:
    """What the script says, or an empty object."""
    number = note(event)
    wave = event.get("wave") if isinstance(event, dict) else None
    script = json.loads((HERE / "script.json").read_text())
    replies = script.get(f"{NAME}:{wave}") or script.get(NAME) or [{}]
    chosen = replies[min(number, len(replies) - 1)]
    return event if chosen == "echo" else chosen


def call_aws(service: str, operation: str, arguments: dict) -> str:
    """Calls AWS as this function."""
    import boto3
    from botocore.exceptions import ClientError

    client = CLIENTS.get(service) or CLIENTS.setdefault(service, boto3.client(service, endpoint_url=os.environ["AWS_ENDPOINT_URL"]))
    try:
        getattr(client, operation)(**arguments)
    except ClientError as error:
        return error.response["Error"]["Code"]
    except Exception as error:
        return f"not called: {error!r}"
    return "ok"


def post(request: str, outcome: str, body: object) -> None:
    """Answers the runtime."""
    data = json.dumps(body).encode()
    urllib.request.urlopen(urllib.request.Request(f"{RUNTIME}/invocation/{request}/{outcome}", data, method="POST"))


while True:
    try:
        with urllib.request.urlopen(f"{RUNTIME}/invocation/next") as answer:
            identifier = answer.headers["Lambda-Runtime-Aws-Request-Id"]
            sent = json.load(answer)
            value = [call_aws(*call) for call in sent["aws"]] if isinstance(sent, dict) and "aws" in sent else reply(sent)
    except OSError:
        sys.exit(0)
    if isinstance(value, dict) and "exit" in value:
        os._exit(value["exit"])
    if isinstance(value, dict) and "error" in value:
        post(identifier, "error", {"errorType": value["error"], "errorMessage": "as the script says"})
    else:
        post(identifier, "response", value)
