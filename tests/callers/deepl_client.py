"""The `deepl` package's own client against a server. Prints one JSON object.

ADDRESS KEY translate TEXT...             the first text alone, then all as a batch, and what was used
ADDRESS KEY glossary FROM TO TEXT         a glossary of one term, and a text with it
ADDRESS KEY glossaries FROM TO TEXT       one of two directions is made, listed, read, used, deleted, looked for
ADDRESS KEY unknown_glossary              the exception of a glossary that is not there
ADDRESS KEY fail                          the exception of a translation that is not tried again
"""

import json
import sys

import deepl
from deepl.api_data import MultilingualGlossaryDictionaryEntries


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


def glossaries(client, source, target, text):
    pairs = (("EN", "ES", {source: target}), ("ES", "EN", {target: source, "x": "y"}))
    dictionaries = [MultilingualGlossaryDictionaryEntries(*pair) for pair in pairs]
    made = client.create_multilingual_glossary("two ways", dictionaries)
    listed = client.list_multilingual_glossaries()
    read = client.get_multilingual_glossary(made.glossary_id)
    entries = client.get_multilingual_glossary_entries(made.glossary_id, "EN", "ES")
    result = client.translate_text(text, source_lang="EN", target_lang="ES", glossary=made)
    client.delete_multilingual_glossary(made)
    try:
        client.get_multilingual_glossary(made.glossary_id)
        gone = None
    except deepl.DeepLException as exception:
        gone = type(exception).__name__
    return {
        "listed": [one.glossary_id for one in listed] == [made.glossary_id],
        "name": read.name,
        "dictionaries": [[one.source_lang, one.target_lang, one.entry_count] for one in read.dictionaries],
        "entries": entries.dictionaries[0].entries,
        "text": result.text,
        "gone": gone,
    }


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
    verbs = {function.__name__: function for function in (translate, glossary, glossaries, unknown_glossary, fail)}
    print(json.dumps(verbs[verb](client, *arguments)))


main(*sys.argv[1:])
