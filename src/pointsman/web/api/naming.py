"""The traffic manager's name over REST: what it is, and an address in its place.

Invariant: only an address of the machine itself replaces a name, and never the other way round.
"""

from __future__ import annotations

from typing import Any

from pointsman.control.control import Control
from pointsman.control.error import CannotStore, ControlError
from pointsman.control.renaming import Names
from pointsman.web.answer import JSON, Answer, error_answer, json_answer
from pointsman.web.api.lenient_json import NotJson, read_json
from pointsman.web.api.request import BodyGone, Request


def name_body(names: Names) -> dict[str, Any]:
    """The names as JSON."""
    return {
        "name": names.name,
        "is_address": names.is_address,
        "addresses": list(names.addresses),
        "others": list(names.others),
    }


def show_name(control: Control) -> Answer:
    """The answer to a reading."""
    return json_answer(200, {"name": name_body(control.renaming.names())})


async def replace_name(control: Control, request: Request) -> Answer:
    """Puts the `address` of the body in the place of the host name; answers before the control plane restarts."""
    if request.content_type != JSON:
        return error_answer(415, "http.unsupported_media_type", f"send the address as {JSON}", {})
    try:
        match read_json(await request.body()):
            case {"address": str() as address, **others} if not others:
                pass
            case _:
                text = 'the body must be an object with the text "address"; it may be empty where there is only one'
                return error_answer(400, "name.invalid", text, {})
        restarts = await control.renaming.use_address(request.caller, address)
    except NotJson as error:
        return error_answer(400, "json.invalid", str(error), {})
    except BodyGone as error:
        return error_answer(400, "http.incomplete", str(error), {})
    except CannotStore as error:
        return error_answer(507, "storage.failed", str(error), {})
    except ControlError as error:
        return error_answer(400, "name.refused", str(error), {})
    return json_answer(200, {"restarts": restarts})
