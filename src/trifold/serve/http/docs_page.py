"""`/docs`: the endpoints for people, made from the same schema as `/openapi.json`; nothing of it is from a network."""

import json
from typing import Any

from fastapi import APIRouter, FastAPI
from starlette.responses import HTMLResponse

from trifold.serve.http.rendering import render
from trifold.version import VERSION

_IN_PATH = "in the path"


def docs_routes(app: FastAPI) -> APIRouter:
    """`GET /docs`."""
    router = APIRouter(include_in_schema=False)

    @router.get("/docs")
    async def docs() -> HTMLResponse:
        families = endpoints_by_family(app.openapi())
        return HTMLResponse(render("docs.html", title="What the server answers", families=families, version=VERSION))

    return router


def endpoints_by_family(schema: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Each family's endpoints, with the fields of their bodies."""
    found: dict[str, list[dict[str, Any]]] = {}
    told: dict[str, str] = {}
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            family = (operation.get("tags") or ["other"])[0]
            one = _endpoint(schema, path, method, operation)
            fields = json.dumps([field for field in one["fields"] if field["description"] != _IN_PATH])
            like = told.setdefault(fields, f"{one['method']} {path}") if one["examples"] else None
            if like not in (None, f"{one['method']} {path}"):
                one |= {"like": like, "fields": [], "examples": []}
            found.setdefault(family, []).append(one)
    return found


def _endpoint(schema: dict[str, Any], path: str, method: str, operation: dict[str, Any]) -> dict[str, Any]:
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    body = _resolved(schema, content.get("schema", {}))
    needed = body.get("required", [])
    fields = [
        {"name": one["name"], "kind": _kind(schema, one["schema"]), "required": one.get("required", False),
         "description": one["schema"].get("description", _IN_PATH if one["in"] == "path" else "in the query")}
        for one in operation.get("parameters", ())
        if one["in"] in ("path", "query")
    ]  # fmt: skip
    fields += [
        {
            "name": name,
            "kind": _kind(schema, one),
            "required": name in needed,
            "description": one.get("description", ""),
        }
        for name, one in body.get("properties", {}).items()
    ]
    examples = [json.dumps(example, ensure_ascii=False) for example in content.get("examples", {}) or ()]
    examples = [
        json.dumps(one, ensure_ascii=False) for one in content.get("schema", {}).get("examples", ())
    ] or examples
    summary = operation.get("summary", "")
    told = {"summary": summary, "fields": fields, "examples": examples, "like": None}
    return {"path": path, "method": method.upper(), **told}


def _resolved(schema: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    """What a reference stands for; of alternatives the first that is no null."""
    if "$ref" in part:
        found: dict[str, Any] = schema["components"]["schemas"][part["$ref"].rpartition("/")[2]]
        return found
    choices = [one for one in part.get("anyOf", ()) if one.get("type") != "null"]
    return _resolved(schema, choices[0]) if choices and "properties" not in part else part


def _kind(schema: dict[str, Any], part: dict[str, Any]) -> str:
    """The type of a field in words."""
    if "$ref" in part:
        fields = ", ".join(_resolved(schema, part).get("properties", {}))
        return f"object of {fields}"
    if "anyOf" in part:
        kinds = [_kind(schema, one) for one in part["anyOf"] if one.get("type") != "null"]
        return " or ".join(dict.fromkeys(kinds))
    if "enum" in part:
        return " or ".join(json.dumps(value) for value in part["enum"])
    if "const" in part:
        return json.dumps(part["const"])
    if part.get("type") == "array":
        return f"list of {_kind(schema, part.get('items', {}))}"
    if part.get("type") == "object" and isinstance(part.get("additionalProperties"), dict):
        return f"object, each value: {_kind(schema, part['additionalProperties'])}"
    return str(part.get("type", "any"))
