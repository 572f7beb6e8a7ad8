"""A model as an ARPA file, for KenLM.

In: a model. Out: a file. The model interpolates and stores what comes out, so its probabilities and the weights
that contexts leave to shorter ones are the two columns of the format. The start of a message is <s>; that of a
further sentence, for which the format has no name, is the word <t>.
"""

from pathlib import Path

import numpy as np

from fedkeys.container import unpack_arrays
from fedkeys.counts import FIRST_WORD
from fedkeys.model import MODEL_FORMAT, MODEL_VERSION, Model

MESSAGE_WORD = "<s>"
SENTENCE_WORD = "<t>"

_NEVER = -99.0


def write_arpa(model: Model, path: Path) -> None:
    """Write a model."""
    arrays = unpack_arrays(model.to_bytes(), MODEL_FORMAT, MODEL_VERSION).arrays
    names = [MESSAGE_WORD, SENTENCE_WORD, *model.vocabulary.words]
    unigram = [_NEVER, _NEVER, *np.log10(arrays["unigram"].astype(float)).tolist()]
    ngrams = [([id_], p) for id_, p in enumerate(unigram)]
    orders = [ngrams]
    contexts: list[dict[tuple[int, ...], float]] = []
    prefixes: list[list[int]] = [[]]
    for m in range(1, model.order):
        keys = arrays[f"context_{m}"]
        places, last = (keys >> np.uint64(32)).tolist(), (keys & np.uint64(0xFFFFFFFF)).tolist()
        prefixes = [[*prefixes[place], id_] for place, id_ in zip(places, last, strict=True)]
        weights = np.log10(np.maximum(arrays[f"weight_{m}"].astype(float), 1e-30)).tolist()
        contexts.append(dict(zip(map(tuple, prefixes), weights, strict=True)))
        sizes = np.diff(arrays[f"first_{m}"].astype(int)).tolist()
        owners = (prefix for prefix, size in zip(prefixes, sizes, strict=True) for _ in range(size))
        successors = arrays[f"successor_{m}"].tolist()
        stored = np.log10(arrays[f"probability_{m}"].astype(float)).tolist()
        orders.append([([*owner, id_], p) for owner, id_, p in zip(owners, successors, stored, strict=True)])
    with path.open("w", encoding="utf-8") as file:
        print("\\data\\", file=file)
        print(f"ngram 1={len(names) + 2}", file=file)
        for n, of_order in enumerate(orders[1:], 2):
            print(f"ngram {n}={len(of_order)}", file=file)
        for n, of_order in enumerate(orders, 1):
            print(f"\n\\{n}-grams:", file=file)
            if n == 1:
                print(f"{_NEVER}\t<unk>\n{_NEVER}\t</s>", file=file)
            backoff = contexts[n - 1] if n < model.order else {}
            for ids, p in of_order:
                text = " ".join(names[id_] for id_ in ids)
                print(f"{p:.7f}\t{text}\t{backoff.get(tuple(ids), 0.0):.7f}", file=file)
        print("\n\\end\\", file=file)


assert FIRST_WORD == 2  # ids are places in `names`
