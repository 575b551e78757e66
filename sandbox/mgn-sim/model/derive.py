"""Derives mgn-2020-02-26.json, the part of MGN's service model that the simulator checks
requests and replies against, from an installed botocore (Apache-2.0).

    python3 derive.py > mgn-2020-02-26.json

Kept: for every operation its method, path, status, declared errors and shapes; for every
shape its type, members, required members and limits. Dropped: documentation, and the
`network-migration` operations, which the simulator does not know.
"""

import json
import sys

import botocore
from botocore.loaders import Loader

KEPT = ("type", "required", "enum", "pattern", "min", "max")


def main():
    model = Loader().load_service_model("mgn", "service-2")
    shapes = model["shapes"]
    operations = {}
    reached = set()

    def reach(name):
        if name in reached:
            return
        reached.add(name)
        shape = shapes[name]
        for key in ("member", "key", "value"):
            if key in shape:
                reach(shape[key]["shape"])
        for member in shape.get("members", {}).values():
            reach(member["shape"])

    for name, operation in model["operations"].items():
        if operation["http"]["requestUri"].startswith("/network-migration/"):
            continue
        entry = {
            "method": operation["http"]["method"],
            "path": operation["http"]["requestUri"],
            "status": operation["http"]["responseCode"],
            "errors": sorted(error["shape"] for error in operation.get("errors", [])),
        }
        for side in ("input", "output"):
            if side in operation:
                entry[side] = operation[side]["shape"]
                reach(entry[side])
        for error in entry["errors"]:
            reach(error)
        operations[name] = entry

    def kept(shape):
        entry = {key: shape[key] for key in KEPT if key in shape}
        if shape.get("union"):
            entry["union"] = True
        for key in ("member", "key", "value"):
            if key in shape:
                entry[key] = shape[key]["shape"]
        if "members" in shape:
            entry["members"] = {
                name: member["shape"] for name, member in shape["members"].items()
            }
        return entry

    json.dump(
        {
            "source": f"botocore {botocore.__version__}, data/mgn/2020-02-26/service-2.json",
            "operations": operations,
            "shapes": {name: kept(shapes[name]) for name in sorted(reached)},
        },
        sys.stdout,
        indent=1,
        sort_keys=True,
    )
    print()


if __name__ == "__main__":
    main()
