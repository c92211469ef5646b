import hashlib
import json

from costmodel.artefact import save
from costmodel.card import NOT_RECORDED
from costmodel.conversion import to_artefact
from tests.costmodel.builders import decode_cost_model, kv_off_cost_model


def card_of(cost_model, folder):
    return json.loads(save(cost_model, folder).with_suffix(".json").read_text())


def test_a_card_repeats_the_artefact(tmp_path):
    artefact = to_artefact(kv_off_cost_model())
    card = card_of(kv_off_cost_model(), tmp_path)
    assert {name: card[name] for name in artefact} == artefact
    assert set(card) - set(artefact) == {"sha256", "ranges", "null_reasons"}


def test_a_card_carries_the_digest_of_its_file(tmp_path):
    path = save(kv_off_cost_model(), tmp_path)
    card = json.loads(path.with_suffix(".json").read_text())
    assert card["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_card_is_sorted_and_indented_for_diffs(tmp_path):
    text = save(kv_off_cost_model(), tmp_path).with_suffix(".json").read_text()
    assert text == json.dumps(json.loads(text), indent=2, sort_keys=True) + "\n"


def test_a_card_gives_a_reason_for_each_null(tmp_path):
    card = card_of(decode_cost_model(), tmp_path)
    reasons = card["null_reasons"]
    nulls = {name for name, value in card.items() if value is None}
    nulls |= {name for name, value in card["provenance"].items() if value is None}
    nulls |= {name for name, value in card["ranges"].items() if value is None}
    assert set(reasons) == nulls
    assert reasons["input_tokens"] == "input lengths are not published"
    assert reasons["load_s"] == NOT_RECORDED


def test_a_card_gives_no_reason_for_what_is_known(tmp_path):
    card = card_of(kv_off_cost_model(), tmp_path)
    assert card["null_reasons"] == {
        "date": "the source gives none",
        "driver": NOT_RECORDED,
        "hardware": NOT_RECORDED,
        "mixed_lengths": "one prompt a trial",
        "task": NOT_RECORDED,
    }
    assert card["ranges"]["input_tokens"] == [8.0, 2048.0]
