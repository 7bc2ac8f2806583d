"""A web service that verifies taps, with FastAPI and SQLite.

    pip install fastapi uvicorn
    uvicorn --factory fastapi_app:demo --app-dir examples --no-access-log

The demo prints taps of an emulated tag, to open in a browser. For real tags, set the environment variables that
``from_environment`` reads, and start ``fastapi_app:from_environment``. An access log would contain taps that were
opened but not spent, and a reader of the log could spend them.
"""

import html
import logging
import os
import tempfile
import time

import suntap
from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse

log = logging.getLogger("taps")

# Only POST spends a tap. Prefetches and link previews send GET, and get this page, whose form posts the same URL. A
# prerendered page is hidden, so the script waits until a person can see the page.
ASK = """<!doctype html><meta name="viewport" content="width=device-width"><title>Tap</title>
<form method="post"><button>Check this tag</button></form><script>
const check = () => { if (!document.hidden) { document.onvisibilitychange = null; document.forms[0].submit(); } };
document.onvisibilitychange = check; check();
</script>"""
REFUSAL = "<!doctype html><title>Not accepted</title><p>Not accepted. Tap the tag again."
NO_STORE = {"Cache-Control": "no-store"}


def create_app(verifier: suntap.Verifier, store: suntap.AsyncStore) -> FastAPI:
    """Creates the service. The path of the template must be ``/t``."""
    app = FastAPI(openapi_url=None)

    @app.get("/t")
    async def ask() -> HTMLResponse:
        return HTMLResponse(ASK, headers=NO_STORE)

    @app.post("/t")
    async def spend(request: Request) -> HTMLResponse:
        try:
            fresh = await verifier.admit_async(target(request), store, at=time.time_ns() // 1_000_000)
        except suntap.Refused as refusal:
            # The answer is the same for every reason, so that a forger learns nothing from it.
            log.warning("tap refused: %s: %s", refusal.code, refusal, exc_info=refusal.__cause__)
            return HTMLResponse(REFUSAL, status_code=403, headers=NO_STORE)
        text = f"Genuine tag {html.escape(str(fresh.uid))}, accepted taps: {fresh.mark.taps}."
        return HTMLResponse(f"<!doctype html><title>Genuine</title><p>{text}", headers=NO_STORE)

    return app


def target(request: Request) -> str:
    """Returns the path and the query as they were received.

    ``request.url`` can differ from what the tag wrote: a proxy changes the scheme and the host, and Starlette decodes
    the path.
    """
    received: bytes = request.scope["raw_path"] + b"?" + request.scope["query_string"]
    return received.decode("ascii", "replace")


def from_environment() -> FastAPI:
    """Creates the service for tags whose keys are derived as in NXP AN10922."""
    verifier = suntap.Verifier(
        os.environ["SUNTAP_TEMPLATE"],
        meta_read_key=os.environ["SUNTAP_META_READ_KEY"],
        master_key=os.environ["SUNTAP_MASTER_KEY"],
        suffix=os.environ.get("SUNTAP_SUFFIX", "").encode(),
    )
    # SQLite blocks its thread until the counter is on disk, so it runs in a worker thread.
    return create_app(verifier, suntap.ThreadedStore(suntap.SqliteStore(os.environ["SUNTAP_DATABASE"])))


DEMO_TEMPLATE = "http://127.0.0.1:8000/t?e={picc:uid,ctr}&c={mac}"
DEMO_META_READ_KEY = "0123456789ABCDEF0123456789ABCDEF"
DEMO_MASTER_KEY = "00112233445566778899AABBCCDDEEFF"


def demo_tag() -> suntap.EmulatedTag:
    """Returns an emulated tag, so that the demo works without a real one."""
    return suntap.EmulatedTag(
        DEMO_TEMPLATE, uid="04DE5F1EACC040", meta_read_key=DEMO_META_READ_KEY, master_key=DEMO_MASTER_KEY
    )


def demo() -> FastAPI:
    """Creates the service for an emulated tag. Its keys are public, and its counters are lost."""
    tag = demo_tag()
    print("DEMO: the keys are public. Open each of these taps twice:", tag.tap(), tag.tap(), sep="\n", flush=True)
    store = suntap.SqliteStore(os.path.join(tempfile.mkdtemp(), "counters.sqlite"))
    verifier = suntap.Verifier(DEMO_TEMPLATE, meta_read_key=DEMO_META_READ_KEY, master_key=DEMO_MASTER_KEY)
    return create_app(verifier, suntap.ThreadedStore(store))
