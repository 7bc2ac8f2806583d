"""Sends requests with the library `requests`. Reads `{"origin", "requests"}` from standard input, and prints what the
client saw of each answer."""

import json
import sys

import requests


def send(origin, request):
    url, headers = origin + request["path"], request.get("headers")
    if request["method"] == "GET":
        response = requests.get(url, params=request.get("query"), headers=headers, timeout=20)
    else:
        response = requests.post(url, json=request.get("body"), headers=headers, timeout=20)
    try:
        response.raise_for_status()
    except requests.HTTPError as error:
        return {"threw": True, "status": error.response.status_code, "body": error.response.json()}
    return {"threw": False, "status": response.status_code, "body": response.json()}


task = json.load(sys.stdin)
print(json.dumps([send(task["origin"], request) for request in task["requests"]]))
