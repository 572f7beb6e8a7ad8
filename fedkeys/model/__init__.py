"""The released model: immutable, one file, answers in microseconds.

In: merged counts and the selection to release. Out: a `Model`, and suggestions. Laws: same counts, same
payload bytes; a model is never changed after its release; its header says how it was made.

It takes words, not text: `fedkeys.phone.Keyboard` and `predict_next_word` read text.
"""

from fedkeys.model.build import build
from fedkeys.model.model import MODEL_FORMAT, MODEL_VERSION, Model
from fedkeys.model.predict import predict_next_word
from fedkeys.model.search import State, Suggestion

__all__ = ["MODEL_FORMAT", "MODEL_VERSION", "Model", "State", "Suggestion", "build", "predict_next_word"]
