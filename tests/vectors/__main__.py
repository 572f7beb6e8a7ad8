"""Write the test vectors anew: `python -m tests.vectors`."""

import json
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fedkeys.counts import Vocabulary
from fedkeys.delta.keys import PhoneKey, PublicKey
from fedkeys.delta.signed import Kind
from fedkeys.phone import Phone
from tests.test_delta import said

CASES = {
    "first": (["see you tom. see you"], None, 2, 0),
    "known": (["See you in London, iPhone 👍", "see you LOL"], ["london", "see", "you"], 3, 2),
    "nothing": ([], None, 3, 0),
}

# The first test of RFC 8032, section 7.1.
PRIVATE = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")


def main() -> None:
    write_deltas()
    write_envelopes()


def write_deltas() -> None:
    for name, (messages, base, order, round_) in CASES.items():
        vocabulary = Vocabulary(base) if base else None
        delta = Phone(messages, order=order, pseudonym=bytes(range(16))).delta(vocabulary, round_)
        vector = {
            "messages": messages,
            "base": base,
            "order": order,
            "round": round_,
            "phone": bytes(range(16)).hex(),
            "delta": delta.to_bytes().hex(),
            "said": said(delta, vocabulary),
        }
        path = Path(__file__).parent / f"{name}.json"
        path.write_text(json.dumps(vector, ensure_ascii=False, indent=1) + "\n")


def write_envelopes() -> None:
    private = Ed25519PrivateKey.from_private_bytes(PRIVATE)
    key = PhoneKey(private, PublicKey(private.public_key().public_bytes_raw()))
    pseudonym = key.public.pseudonym("fedkeys")
    delta = Phone(["see you tom. see you"], order=2, pseudonym=pseudonym).delta().to_bytes()
    vector = {
        "private": PRIVATE.hex(),
        "public": key.public.raw.hex(),
        "federation": "fedkeys",
        "phone": pseudonym.hex(),
        "delta": delta.hex(),
        "signed": key.sign(delta).hex(),
        "withdrawal": key.sign(delta, Kind.WITHDRAWAL).hex(),
    }
    path = Path(__file__).parent / "signed" / "first.json"
    path.write_text(json.dumps(vector, indent=1) + "\n")


if __name__ == "__main__":
    main()
