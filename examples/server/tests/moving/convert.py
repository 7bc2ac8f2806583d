#!/usr/bin/env python3
"""Turns an export of ixkio and ETRNL into the lines of `suntap-server import`.

    convert.py export.json > tags.ndjson

Neither service documents the format of an export. Adapt the names of the fields to what you have.
"""

import json
import re
import sys

# The number of your organisation. API keys and tokens verify only tags of their organisation.
ORGANISATION = 1


def line(kind, /, **fields):
    """Prints one line. A field without a value is left out."""
    fields = {name: value for name, value in fields.items() if value is not None}
    # Without spaces, because metadata is returned to clients as it stands in the line.
    print(json.dumps({kind: {"organisation": ORGANISATION, **fields}}, separators=(",", ":"), ensure_ascii=False))


def state(entry):
    return entry["status"].lower()


def plain_keys(tag):
    """Returns the keys of a tag, or None if they are missing. The tag, and the import of its counter, wait for them."""
    if tag.get("sdmFileReadKey") is None:
        return None
    keys = {"file": tag["sdmFileReadKey"], "meta": tag.get("sdmMetaReadKey")}
    return {"plain": {name: key for name, key in keys.items() if key is not None}}


def ixkio_layout(url):
    """Turns a URL that was read from one tag into the layout of its group."""
    for pattern, element in [(r"(?<=/)\w+(?=\?)", "{:xuid}"), (r"(?<=[?&]x=)\w+", "{:xuid}"),
                             (r"(?<=[?&]u=)[0-9A-Fa-f]{14}", "{uid}"), (r"(?<=[?&]n=)[0-9A-Fa-f]{6}", "{ctr}"),
                             (r"(?<=[?&]e=)[0-9A-Fa-f]{16}", "{mac}")]:
        url = re.sub(pattern, element, url)
    return {"template": url}


def ixkio_rule(rule):
    sign = {"less than": "<", "more than": ">", "equal": "=", "not equal": "!="}.get(rule["criteria"])
    if rule["type"] == "Tag Authentication":
        return "authentication"
    if rule["type"] in ("Scan Count", "Tamper"):
        return f'{rule["type"].lower()} {sign} {rule["target"]}'
    sys.exit(f'the rule type "{rule["type"]}" does not exist in API mode')


def ixkio_rules(level):
    """Returns the rules of a tag group or a tag code, or None if it has none of its own."""
    if level.get("defaultResponse") is None:
        return None
    groups = [
        {"rules": [ixkio_rule(rule) for rule in group["rules"]], "response": group["response"]}
        for group in level.get("ruleGroups", [])
    ]
    return {"groups": groups, "default": level["defaultResponse"]}


def ixkio_counter(tag):
    """Chip Count is the last counter that the service accepted, and Scan Count how often it answered."""
    return {"ctr": tag["chipCount"], "taps": tag["scanCount"]} if tag.get("chipCount") and plain_keys(tag) else None


def ixkio(export):
    if export["responseApiToken"] is not None:
        line("token", token=export["responseApiToken"], label="ixkio clients")
    for folder in export["activeFolders"]:
        line("folder", path=folder["name"], state=state(folder))
        for group in folder["tagGroups"]:
            path = f'{folder["name"]}/{group["name"]}'
            layout = ixkio_layout(group["sampleUrl"]) if group["type"] == "Authentication" else None
            line("tagGroup", path=path, state=state(group), layout=layout, rules=ixkio_rules(group))
            for batch in group["batches"]:
                batch_path = f'{path}/{batch["name"]}'
                line("batch", path=batch_path, state=state(batch))
                for tag in batch["tagCodes"]:
                    values = {**group.get("extendedData", {}), **tag.get("extendedData", {})}
                    data = [
                        {"name": field["name"], "value": values[field["name"]], "inResponse": field["addToResponse"]}
                        for field in folder["extendedDataFields"]
                        if field["name"] in values
                    ]
                    line("tag", batch=batch_path, xuid=tag["xuid"], cuid=tag.get("cuid"), uid=tag.get("uid"),
                         name=tag["tagName"], state=state(tag), keys=plain_keys(tag), rules=ixkio_rules(tag),
                         extendedData=data, counter=ixkio_counter(tag))


def etrnl_layout(url):
    """Turns a custom URL into a layout. The eCode is left out, because the keys come in plain form."""
    elements = {"{tagId}": "{:tagId}", "{eCode}": "", "{enc}": "{picc:uid,ctr}", "{cmac}": "{mac}",
                "{tt}": "[[{enc:32,tt@0}{mac}"}
    return {"template": re.sub(r"\{\w+\}", lambda found: elements[found[0]], url)}


def etrnl(export):
    for key in export["apiKeys"]:
        line("apiKey", key=key["key"], kind=key["type"], label=key["usedBy"])
    line("folder", path="ETRNL")
    for group in export["urlGroups"]:
        path = f'ETRNL/{group["name"]}'
        line("tagGroup", path=path, layout=etrnl_layout(group["customUrl"]))
        line("batch", path=f"{path}/All")
        for tag in group["tags"]:
            counter = {"ctr": tag["lastAuthenticCtr"], "at": tag["lastAuthenticTimestamp"]}
            # A tag that is not programmed has no UID. Without a batch it has no layout either, and answers `inactive`.
            is_programmed = tag["uid"] is not None
            line("tag", batch=f"{path}/All" if is_programmed else None, number=tag["tagId"], uid=tag["uid"],
                 tamper=is_programmed and "{tt}" in group["customUrl"], keys=plain_keys(tag),
                 metadata=tag["metadata"], counter=counter if tag["lastAuthenticCtr"] and plain_keys(tag) else None)


with open(sys.argv[1], encoding="utf-8") as file:
    both = json.load(file)
organisation = {"id": ORGANISATION, "name": both["customer"]}
if "ixkio" in both:
    needs_token = both["ixkio"]["responseApiToken"] is not None
    organisation |= {"account": both["ixkio"]["accountId"], "needsToken": needs_token}
print(json.dumps({"organisation": organisation}))
if "ixkio" in both:
    ixkio(both["ixkio"])
if "etrnl" in both:
    etrnl(both["etrnl"])
