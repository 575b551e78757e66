"""SSM documents: the resource type, and DescribeDocument and GetDocument.

MiniStack (1.5.33) has neither, and a template with AWS::SSM::Document is refused whole. Documents are
kept, not run: what a command does is the simulator's part.
"""

import json
import re
import time

from ministack.core import iam_actions
from ministack.core.responses import AccountRegionScopedDict, error_response_json, get_account_id, json_response
from ministack.services import ssm
from ministack.services.cloudformation import provisioners

DOCUMENTS = AccountRegionScopedDict()
NAME = re.compile(r"[a-zA-Z0-9_\-.]{3,128}")


def create(logical_id: str, properties: dict, stack: str) -> tuple[str, dict]:
    """CloudFormation makes a document."""
    name = properties.get("Name") or f"{stack}-{logical_id}"
    if name in DOCUMENTS:
        raise ValueError(f"{name} already exists")
    DOCUMENTS[name] = checked(name, properties) | {"DocumentVersion": "1"}
    return name, {}


def update(physical_id: str, _old: dict, properties: dict, _stack: str) -> tuple[str, dict]:
    """CloudFormation makes a new version (UpdateMethod NewVersion)."""
    version = int(DOCUMENTS[physical_id]["DocumentVersion"]) + 1
    DOCUMENTS[physical_id] = checked(physical_id, properties) | {"DocumentVersion": str(version)}
    return physical_id, {}


def delete(physical_id: str, _properties: dict) -> None:
    """CloudFormation removes a document; one that is gone already is no failure."""
    DOCUMENTS.pop(physical_id, None)


def checked(name: str, properties: dict) -> dict:
    """The document, if SSM would take it."""
    content = properties.get("Content")
    if isinstance(content, str):
        content = json.loads(content)
    if not NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name of a document")
    if not isinstance(content, dict) or content.get("schemaVersion") != "2.2" or not content.get("mainSteps"):
        raise ValueError(f"{name}: InvalidDocumentContent")
    if len(json.dumps(content)) > 64 * 1024:
        raise ValueError(f"{name}: MaxDocumentSizeExceeded")
    return {"Name": name, "Content": content, "CreatedDate": time.time()}


def describe(request: dict) -> tuple:
    """DescribeDocument."""
    document = DOCUMENTS.get(request.get("Name", ""))
    if document is None:
        return missing(request)
    content = document["Content"]
    parameters = [
        {
            "Name": name, "Type": declared.get("type", "String"), "Description": declared.get("description", ""),
            **({"DefaultValue": str(declared["default"])} if "default" in declared else {}),
        }
        for name, declared in content.get("parameters", {}).items()
    ]
    return json_response({
        "Document": {
            "Name": document["Name"], "Owner": get_account_id(), "CreatedDate": document["CreatedDate"],
            "Status": "Active", "DocumentVersion": document["DocumentVersion"],
            "LatestVersion": document["DocumentVersion"], "DefaultVersion": document["DocumentVersion"],
            "Description": content.get("description", ""), "Parameters": parameters,
            "PlatformTypes": ["Linux", "Windows"], "DocumentType": "Command", "SchemaVersion": "2.2",
            "DocumentFormat": "JSON", "TargetType": "/", "Tags": [],
        }
    })


def get(request: dict) -> tuple:
    """GetDocument."""
    document = DOCUMENTS.get(request.get("Name", ""))
    if document is None:
        return missing(request)
    return json_response({
        "Name": document["Name"], "DocumentVersion": document["DocumentVersion"], "Status": "Active",
        "Content": json.dumps(document["Content"]), "DocumentType": "Command", "DocumentFormat": "JSON",
    })


def missing(request: dict) -> tuple:
    """What SSM answers for a name that it does not know."""
    return error_response_json("InvalidDocument", f"Document with name {request.get('Name')} does not exist.", 400)


def install() -> None:
    """Puts the type and the operations beside MiniStack's own."""
    provisioners._RESOURCE_HANDLERS["AWS::SSM::Document"] = {"create": create, "update": update, "delete": delete}
    handle_request = ssm.handle_request
    extract_resource_arn = iam_actions.extract_resource_arn
    operations = {"DescribeDocument": describe, "GetDocument": get}

    async def with_documents(method, path, headers, body, query_params):
        operation = headers.get("x-amz-target", "").rsplit(".", 1)[-1]
        if operation in operations:
            return operations[operation](json.loads(body or b"{}"))
        return await handle_request(method, path, headers, body, query_params)

    def with_document_arns(service, method, path, headers, body, params, region, account):
        if service == "ssm" and headers.get("x-amz-target", "").rsplit(".", 1)[-1] in operations:
            return f"arn:aws:ssm:{region}:{account}:document/{json.loads(body or b'{}').get('Name', '')}"
        return extract_resource_arn(service, method, path, headers, body, params, region, account)

    ssm.handle_request = with_documents
    iam_actions.extract_resource_arn = with_document_arns
