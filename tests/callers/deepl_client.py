"""The `deepl` package's own client against a server. Prints one JSON object.

ADDRESS KEY translate TEXT...             the first text alone, then all as a batch, and what was used
ADDRESS KEY glossary FROM TO TEXT         a glossary of one term, and a text with it
ADDRESS KEY unknown_glossary              the exception of a glossary that is not there
ADDRESS KEY fail                          the exception of a translation that is not tried again
"""

import json
import sys

import deepl


def translate(client, first, *others):
    one = client.translate_text(
        first,
        source_lang="EN",
        target_lang="ES",
        context="Two people meet.",
        formality="prefer_more",
        model_type="latency_optimized",
        preserve_formatting=True,
    )
    batch = client.translate_text([first, *others], target_lang="ES")
    return {
        "one": {
            "text": one.text,
            "source": one.detected_source_lang,
            "billed": one.billed_characters,
            "model": one.model_type_used,
        },
        "batch": [result.text for result in batch],
        "characters": client.get_usage().character.count,
    }


def glossary(client, source, target, text):
    made = client.create_glossary("terms", source_lang="EN", target_lang="ES", entries={source: target})
    result = client.translate_text(text, source_lang="EN", target_lang="ES", glossary=made.glossary_id)
    return {"ready": made.ready, "entries": made.entry_count, "text": result.text}


def unknown_glossary(client):
    number = "def3a26b-3e84-45b3-84ae-ffffffffffff"
    return fail(client, source_lang="EN", glossary=number)


def fail(client, **options):
    deepl.http_client.max_network_retries = 0
    try:
        client.translate_text("Hello.", target_lang="ES", **options)
    except deepl.DeepLException as exception:
        return {"error": type(exception).__name__, "status": exception.http_status_code}
    raise SystemExit("no exception")


def main(address, key, verb, *arguments):
    client = deepl.DeepLClient(key, server_url=f"http://{address}")
    verbs = {function.__name__: function for function in (translate, glossary, unknown_glossary, fail)}
    print(json.dumps(verbs[verb](client, *arguments)))


main(*sys.argv[1:])
