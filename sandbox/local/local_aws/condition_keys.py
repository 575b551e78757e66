"""The condition keys of this project's roles, where IAM is enforced.

MiniStack (1.5.33, AUTH=true) evaluates roles, resources and conditions, item by item in a transaction.
It does not fill in `dynamodb:LeadingKeys` and `kms:MacAlgorithm`; without them every conditioned
statement would refuse. They are taken from the request here, as AWS takes them.
"""

import json

from ministack.core import iam_actions


def leading_keys(body: bytes) -> list[str]:
    """The partition keys that a DynamoDB request names. AWS checks a transaction's items one by one;
    here each is checked against the keys of all of them, which refuses more and never less."""
    try:
        request = json.loads(body or b"{}")
    except ValueError:
        return []
    found: set[str] = set()

    def visit(value: object) -> None:
        if isinstance(value, list):
            for element in value:
                visit(element)
        elif isinstance(value, dict):
            for name in ("Key", "Item"):
                key = value.get(name)
                if isinstance(key, dict) and isinstance(key.get("pk"), dict):
                    found.add(str(key["pk"].get("S", "")))
            for key in value.get("Keys") or []:
                if isinstance(key, dict) and isinstance(key.get("pk"), dict):
                    found.add(str(key["pk"].get("S", "")))
            for name in ("TransactItems", "RequestItems", "Put", "Update", "Delete", "ConditionCheck", "Get", "PutRequest", "DeleteRequest"):
                child = value.get(name)
                visit(list(child.values()) if name == "RequestItems" and isinstance(child, dict) else child)

    visit(request)
    condition = request.get("KeyConditionExpression") if isinstance(request, dict) else None
    if isinstance(condition, str):
        names = request.get("ExpressionAttributeNames") or {}
        values = request.get("ExpressionAttributeValues") or {}
        for clause in condition.replace("(", " ").replace(")", " ").replace(" and ", " AND ").split(" AND "):
            left, _, right = clause.partition("=")
            if names.get(left.strip(), left.strip()) in ("pk", "list"):
                found.add(str((values.get(right.strip()) or {}).get("S", "")))
    return sorted(found)


def install() -> None:
    """Adds the keys to those that MiniStack fills in."""
    dynamodb_service_context = iam_actions.dynamodb_service_context
    request_tag_context = iam_actions.request_tag_context

    def with_leading_keys(body: bytes) -> dict:
        context = dynamodb_service_context(body)
        if keys := leading_keys(body):
            context["dynamodb:leadingkeys"] = keys
        return context

    def with_kms_keys(service: str, iam_action: str, body: bytes, params: dict) -> dict:
        context = dict(request_tag_context(service, iam_action, body, params))
        if service == "kms":
            try:
                request = json.loads(body or b"{}")
            except ValueError:
                request = {}
            if isinstance(request, dict) and request.get("MacAlgorithm"):
                context["kms:macalgorithm"] = request["MacAlgorithm"]
        return context

    iam_actions.dynamodb_service_context = with_leading_keys
    iam_actions.request_tag_context = with_kms_keys
