"""The instance's own certificate over REST: what it is, and another one in its place.

Invariant: no answer holds the private key.
"""

from __future__ import annotations

from typing import Any

from pointsman.control.control import Control
from pointsman.control.error import ControlError
from pointsman.control.own_certificate import LENGTH_LIMIT
from pointsman.identity.certificate import CertificateRefused, CertificateView
from pointsman.web.answer import JSON, Answer, error_answer, json_answer
from pointsman.web.api.lenient_json import NotJson, read_json
from pointsman.web.api.request import BodyGone, Request


def certificate_body(view: CertificateView) -> dict[str, Any]:
    """The certificate as JSON; times are Unix seconds."""
    return {
        "subject": view.subject,
        "issuer": view.issuer,
        "names": list(view.names),
        "serial": view.serial,
        "not_before": int(view.not_before.timestamp()),
        "not_after": int(view.not_after.timestamp()),
        "sha1": view.sha1,
        "sha256": view.sha256,
        "self_signed": view.self_signed,
        "public": view.public,
    }


def show_certificate(control: Control) -> Answer:
    """The answer to a reading."""
    return json_answer(200, {"certificate": certificate_body(control.certificate.view)})


async def replace_certificate(control: Control, request: Request) -> Answer:
    """Puts the pair `public` and `private` (PEM) of the body in the place of the present one."""
    if request.content_type != JSON:
        return error_answer(415, "http.unsupported_media_type", f"send the certificate as {JSON}", {})
    try:
        match read_json(await request.body()):
            case {"public": str() as public, "private": str() as private, **others} if not others:
                pass
            case _:
                text = 'the body must be an object with the texts "public" and "private", both in PEM'
                return error_answer(400, "certificate.invalid", text, {})
        if max(len(public), len(private)) > LENGTH_LIMIT:
            text = f"a certificate or key has more than {LENGTH_LIMIT} characters; send the chain alone"
            return error_answer(400, "certificate.invalid", text, {})
        view = await control.certificate.replace(request.caller, public, private)
    except NotJson as error:
        return error_answer(400, "json.invalid", str(error), {})
    except BodyGone as error:
        return error_answer(400, "http.incomplete", str(error), {})
    except CertificateRefused as error:
        return error_answer(400, "certificate.refused", str(error), {})
    except ControlError as error:
        return error_answer(507, "storage.failed", str(error), {})
    return json_answer(200, {"certificate": certificate_body(view)})
