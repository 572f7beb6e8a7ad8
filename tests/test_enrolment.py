"""Who may take part: one key is one phone, and nobody signs for another."""

import json
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Any

import msgpack
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from fedkeys.aggregator import Aggregator, Enrolment, merge_files
from fedkeys.delta import MAX_DELTA_BYTES, Delta, keys
from fedkeys.delta.keys import PhoneKey, PublicKey
from fedkeys.delta.signed import MAX_MESSAGE_BYTES, Envelope, Kind, message_in
from fedkeys.errors import FedkeysError, FormatError, RefusedError, UsageError, VersionError
from fedkeys.phone import Phone
from fedkeys.sources import shipped_corpus
from tests.strategies import corpora

KEYS = [PhoneKey.draw() for _ in range(6)]
STRANGER = PhoneKey.draw()
PUBLIC = [key.public for key in KEYS]
ENROLMENT = Enrolment(PUBLIC)


@cache
def sent(number: int, federation: str = "fedkeys", text: str = "see you tomorrow") -> bytes:
    """The delta of an enrolled phone, not signed."""
    return delta_of(KEYS[number], federation, [text, "hello world"])


def delta_of(key: PhoneKey, federation: str, texts: Sequence[str]) -> bytes:
    pseudonym = key.public.pseudonym(federation)
    return Phone(texts, federation=federation, pseudonym=pseudonym).delta().to_bytes()


def signed(number: int) -> bytes:
    return KEYS[number].sign(sent(number))


def result(data: bytes, enrolment: Enrolment | None = ENROLMENT) -> bool | FedkeysError:
    (found,) = Aggregator(enrolment=enrolment).add_messages([data])
    return found


def refused(data: bytes, why: str, kind: type[FedkeysError] = RefusedError) -> None:
    found = result(data)
    assert isinstance(found, kind), found
    assert why in str(found)


def test_the_envelope_is_as_it_is_written_down() -> None:
    """Built by hand from the specification, with `cryptography` alone."""
    message = sent(0)
    for kind, name, size in (
        (Kind.DELTA, b"fedkeys.signed", b"\xae"),
        (Kind.WITHDRAWAL, b"fedkeys.withdrawal", b"\xb2"),
    ):
        beginning = b"\x94" + size + name + b"\x01"
        length = bytes([0xC4, len(message)]) if len(message) < 256 else b"\xc5" + len(message).to_bytes(2)
        signature = KEYS[0].private.sign(beginning + message)
        expected = beginning + b"\xc4\x40" + signature + length + message
        assert KEYS[0].sign(message, kind) == expected
        assert msgpack.unpackb(expected) == [name.decode(), 1, signature, message]
        assert Envelope.of(expected) == Envelope(kind, signature, message)
        KEYS[0].private.public_key().verify(signature, beginning + message)
    raw = KEYS[0].private.public_key().public_bytes_raw()
    said = b"fedkeys.pseudonym\0" + "größe".encode() + b"\0" + raw
    assert PUBLIC[0].pseudonym("größe") == blake2b(said, digest_size=16).digest()


def test_the_vector() -> None:
    """What a phone in another language must come to."""
    path = Path(__file__).parent / "vectors" / "signed" / "first.json"
    said = json.loads(path.read_text())
    private, public, phone, delta = (
        bytes.fromhex(said[name]) for name in ("private", "public", "phone", "delta")
    )
    key = PhoneKey(Ed25519PrivateKey.from_private_bytes(private), PublicKey(public))
    assert key.private.public_key().public_bytes_raw() == public
    assert key.public.pseudonym(said["federation"]) == phone == Delta.from_bytes(delta).phone
    assert key.sign(delta).hex() == said["signed"]
    assert key.sign(delta, Kind.WITHDRAWAL).hex() == said["withdrawal"]


@given(st.binary(max_size=70_000), st.sampled_from(Kind))
def test_an_envelope_opens_to_what_was_put_in(message: bytes, kind: Kind) -> None:
    envelope = Envelope(kind, bytes(64), message)
    assert Envelope.of(envelope.to_bytes()) == envelope
    assert len(envelope.to_bytes()) <= len(message) + MAX_MESSAGE_BYTES - MAX_DELTA_BYTES


@given(st.integers(0, 5), st.sampled_from(Kind), st.data())
def test_flipping_any_bit_is_refused(number: int, kind: Kind, data: st.DataObject) -> None:
    whole = KEYS[number].sign(sent(number), kind)
    bit = data.draw(st.integers(0, 8 * len(whole) - 1))
    changed = bytearray(whole)
    changed[bit // 8] ^= 1 << bit % 8
    with pytest.raises((FormatError, RefusedError)):
        ENROLMENT.open(bytes(changed), kind)
    assert ENROLMENT.open(whole, kind).phone == PUBLIC[number].pseudonym("fedkeys")


@given(st.integers(0, 90), st.binary(min_size=1, max_size=8))
def test_what_is_cut_or_followed_is_refused(cut: int, more: bytes) -> None:
    refused(signed(0)[:cut], "", FormatError)
    refused(signed(0) + more, "", FormatError)


def test_an_envelope_has_one_encoding() -> None:
    signature, message = bytes(64), sent(0)
    name = msgpack.packb("fedkeys.signed")
    long = (
        b"\x94" + name + b"\xcc\x01" + msgpack.packb(signature) + msgpack.packb(message),
        b"\x94" + name + b"\x01\xc5\x00\x40" + signature + msgpack.packb(message),
        b"\x94" + name + b"\x01" + msgpack.packb(signature) + b"\xc6" + len(message).to_bytes(4) + message,
    )
    for data in long:
        assert msgpack.unpackb(data) == ["fedkeys.signed", 1, signature, message]
        refused(data, "shortest encoding", FormatError)
    for beginning in (b"\xdc\x00\x04" + name, b"\x94\xd9\x0efedkeys.signed"):
        refused(beginning + b"\x01" + msgpack.packb(signature) + msgpack.packb(message), "", FormatError)


@pytest.mark.parametrize(
    ("entries", "why", "kind"),
    [
        (["fedkeys.signed", 2, bytes(64), b""], "newer", VersionError),
        (["fedkeys.signed", 0, bytes(64), b""], "whole number", FormatError),
        (["fedkeys.signed", 1, bytes(63), b""], "64 bytes", FormatError),
        (["fedkeys.signed", 1, "x" * 64, b""], "64 bytes", FormatError),
        (["fedkeys.signed", 1, bytes(64), "text"], "message is not bytes", FormatError),
        (["fedkeys.signed", 1, bytes(64), bytes(MAX_DELTA_BYTES + 1)], "8,388,609", FormatError),
        (["fedkeys.signed", 1, bytes(64), bytes(MAX_DELTA_BYTES + 99)], "envelope of", FormatError),
        (["fedkeys.signed", 1, bytes(64), b"junk"], "", FormatError),
        (["fedkeys.other!", 1, bytes(64), b""], "", FormatError),
    ],
)
def test_what_is_no_envelope_is_refused(entries: list[Any], why: str, kind: type[FedkeysError]) -> None:
    refused(msgpack.packb(entries), why, kind)


def test_an_envelope_in_an_envelope_is_no_delta() -> None:
    refused(KEYS[0].sign(signed(0)), "holds a 'fedkeys.signed', not a 'fedkeys.delta'", FormatError)


def test_one_key_is_one_pseudonym() -> None:
    assert result(signed(0)) is True
    refused(sent(0), "is not signed; enrolled phones sign with fedkeys delta --keys")
    refused(STRANGER.sign(delta_of(STRANGER, "fedkeys", ["hello"])), "is not enrolled")
    refused(STRANGER.sign(sent(0)), "the signature is not that of the phone")
    refused(KEYS[1].sign(sent(0)), "the signature is not that of the phone")
    refused(KEYS[0].sign(Phone(["hello"]).delta().to_bytes()), "is not enrolled")
    refused(KEYS[0].sign(sent(0, "other")), "belongs to the federation 'other'")
    # The pseudonym of another federation is none of this one's.
    elsewhere = Phone(["hello"], pseudonym=PUBLIC[0].pseudonym("other")).delta().to_bytes()
    refused(KEYS[0].sign(elsewhere), "is not enrolled")


def test_what_is_signed_for_one_purpose_never_counts_for_the_other() -> None:
    withdrawal = KEYS[0].sign(sent(0), Kind.WITHDRAWAL)
    refused(withdrawal, "is a withdrawal, not a delta")
    assert isinstance(result(withdrawal, None), RefusedError)
    aggregator = Aggregator(enrolment=ENROLMENT)
    aggregator.add_messages([signed(0), signed(1)])
    envelope = Envelope.of(signed(0))
    assert envelope
    replayed = Envelope(Kind.WITHDRAWAL, envelope.signature, envelope.message).to_bytes()
    for request, why in (
        (sent(0), "is no signed withdrawal"),
        (signed(0), "is no signed withdrawal"),
        (replayed, "signature is not that"),
        (KEYS[1].sign(sent(0), Kind.WITHDRAWAL), "signature is not that"),
    ):
        with pytest.raises(RefusedError, match=why):
            aggregator.withdraw(request)
    assert aggregator.deltas == 2
    aggregator.withdraw(withdrawal)
    assert aggregator.deltas == 1
    assert isinstance(aggregator.add_messages([signed(0)])[0], RefusedError)
    taken = Envelope.of(withdrawal)
    assert taken
    refused(Envelope(Kind.DELTA, taken.signature, taken.message).to_bytes(), "signature is not that")


def test_without_enrolment_an_envelope_is_its_delta() -> None:
    nonsense = Envelope(Kind.DELTA, bytes(64), sent(0)).to_bytes()
    aggregator = Aggregator()
    assert aggregator.add_messages([nonsense, sent(0), signed(0), signed(1)]) == [True, False, False, True]
    plain = Aggregator()
    plain.add_messages([sent(0), sent(1)])
    assert aggregator.release(1).to_bytes() == plain.release(1).to_bytes()
    aggregator.withdraw(nonsense)
    aggregator.withdraw(KEYS[2].sign(sent(1), Kind.WITHDRAWAL))
    assert aggregator.deltas == 0


def test_a_log_may_mix_what_is_signed_with_what_is_not(tmp_path: Path) -> None:
    log = tmp_path / "all.deltas"
    log.write_bytes(sent(0) + signed(1) + sent(2) + signed(3) + signed(1))
    intake = merge_files(Aggregator(enrolment=ENROLMENT), [log])
    assert (intake.merged, intake.repeated, len(intake.refused)) == (2, 1, 2)
    assert f"all.deltas, byte {len(sent(0) + signed(1))}: is not signed" in intake.refused[1]
    intake = merge_files(Aggregator(), [log])
    assert (intake.merged, intake.repeated, intake.refused) == (4, 1, ())


@given(st.lists(st.tuples(corpora, st.booleans()), min_size=1, max_size=6), st.integers(1, 2))
def test_what_is_withdrawn_never_took_part(fleet: list[tuple[list[str], bool]], min_phones: int) -> None:
    deltas = [delta_of(key, "fedkeys", texts) for key, (texts, _) in zip(KEYS, fleet, strict=False)]
    envelopes = [key.sign(delta) for key, delta in zip(KEYS, deltas, strict=False)]
    aggregator = Aggregator(enrolment=ENROLMENT)
    assert aggregator.add_messages(envelopes) == [True] * len(fleet)
    for key, delta, (_, leaves) in zip(KEYS, deltas, fleet, strict=False):
        if leaves:
            aggregator.withdraw(key.sign(delta, Kind.WITHDRAWAL))
    never = Aggregator(enrolment=ENROLMENT)
    never.add_messages([data for data, (_, leaves) in zip(envelopes, fleet, strict=True) if not leaves])
    assert aggregator.release(min_phones).payload_digest == never.release(min_phones).payload_digest


def test_who_is_revoked_sends_nothing_more_and_what_it_sent_stays(tmp_path: Path) -> None:
    first = Aggregator(state=tmp_path, enrolment=ENROLMENT)
    first.add_messages([signed(0), signed(1)])
    first.commit()
    first.close()
    later = Aggregator(state=tmp_path, enrolment=Enrolment(PUBLIC[1:]))
    phone = Phone(["hello"], pseudonym=PUBLIC[0].pseudonym("fedkeys"))
    phone.delta()
    phone.accepted()
    phone.type(["more"])
    (new,) = later.add_messages([KEYS[0].sign(phone.delta().to_bytes())])
    assert "is not enrolled" in str(new)
    with pytest.raises(RefusedError, match="is not enrolled"):
        later.withdraw(KEYS[0].sign(sent(0), Kind.WITHDRAWAL))
    assert later.phones == 2


def test_a_state_is_all_signed_or_all_not(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="enrolled in 'other', not in 'fedkeys'"):
        Aggregator(state=tmp_path / "x", enrolment=Enrolment(PUBLIC, "other"))
    for state, enrolment, delta in (("a", ENROLMENT, signed(0)), ("b", None, sent(0))):
        aggregator = Aggregator(state=tmp_path / state, enrolment=enrolment)
        assert aggregator.add_messages([delta]) == [True]
        aggregator.commit()
        aggregator.close()
    without = Aggregator(state=tmp_path / "a")
    with pytest.raises(UsageError, match="name the directory of their keys with --enrolled"):
        without.add_messages([signed(1)])
    with pytest.raises(UsageError, match="takes only what enrolled phones have signed"):
        without.withdraw(KEYS[0].sign(sent(0), Kind.WITHDRAWAL))
    assert (without.status()["enrolled"], without.release(1).header["phones"]) == (True, 1)
    without.close()
    with pytest.raises(UsageError, match="holds deltas that were merged without enrolment"):
        Aggregator(state=tmp_path / "b", enrolment=ENROLMENT)
    assert Aggregator(state=tmp_path / "b").status()["enrolled"] is False


def test_keys_come_back_from_their_files(tmp_path: Path) -> None:
    for key in KEYS:
        (tmp_path / "x.key").write_bytes(key.to_pem())
        (tmp_path / "x.pub").write_bytes(key.public.to_pem())
        assert PhoneKey.load(tmp_path / "x.key").public == key.public == PublicKey.load(tmp_path / "x.pub")
        assert PhoneKey.load(tmp_path / "x.key").sign(b"x") == key.sign(b"x")
    assert len({key.fingerprint for key in PUBLIC}) == len(KEYS)
    assert "private" not in repr(KEYS[0]).lower().replace("phonekey", "")


def test_what_is_no_key_is_named(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
    from cryptography.hazmat.primitives.serialization import (
        BestAvailableEncryption,
        Encoding,
        NoEncryption,
        PrivateFormat,
        PublicFormat,
    )

    other = generate_private_key(SECP256R1())
    wrong = other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    wrong_public = other.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    locked = KEYS[0].private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x"))
    mine, public, file = KEYS[0].to_pem(), PUBLIC[0].to_pem(), tmp_path / "a.pub"
    for data, as_private, as_public in (
        (b"junk", "not a PEM file of one private key", "not a PEM file of one public key"),
        (b"", "not a PEM file", "not a PEM file"),
        (mine[:60], "not a PEM file", "holds a private key"),
        (mine, None, "holds a private key where a public one belongs"),
        (public, "holds a public key", None),
        (public[:60], "holds a public key", "not a PEM file"),
        (wrong, "no Ed25519 key", "holds a private key"),
        (wrong_public, "holds a public key", "no Ed25519 key"),
        (locked, "is encrypted, and fedkeys asks for no password", "holds a private key"),
        (bytes(1 << 15), "more than", "more than"),
    ):
        file.write_bytes(data)
        for load, why in ((PhoneKey.load, as_private), (PublicKey.load, as_public)):
            if why:
                with pytest.raises(FormatError, match=rf"a\.pub: .*{why}"):
                    load(file)
    with pytest.raises(FormatError, match=r"a\.pub: more than"):
        Enrolment.read(tmp_path)
    file.unlink()
    with pytest.raises(UsageError, match=r"no \*\.pub file"):
        Enrolment.read(tmp_path)
    with pytest.raises(UsageError, match="no such directory"):
        Enrolment.read(tmp_path / "none")


def test_without_cryptography_the_remedy_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    keys._ed25519.cache_clear()
    for name in [name for name in sys.modules if name.partition(".")[0] == "cryptography"]:
        monkeypatch.setitem(sys.modules, name, None)
    for use in (PhoneKey.draw, lambda: PublicKey.load(Path("x.pub")), lambda: PhoneKey.load(Path("x.key"))):
        with pytest.raises(UsageError, match=r"pip install 'fedkeys\[privacy\]'"):
            use()
    assert result(signed_before, None) is True  # what is not checked needs no keys


signed_before = KEYS[0].sign(sent(0))


def test_a_phone_without_cryptography_is_told_by_the_command(tmp_path: Path, home: dict[str, str]) -> None:
    code = (
        "import sys; sys.modules['cryptography'] = None\n"
        "sys.argv[1:] = ['enroll', 'nurse', '--keys', 'keys']\nfrom fedkeys.cli import main; main()"
    )
    run = [sys.executable, "-c", code]
    done = subprocess.run(run, cwd=tmp_path, env=home, capture_output=True, text=True)
    assert (done.returncode, "pip install 'fedkeys[privacy]'" in done.stderr) == (2, True)
    assert not (tmp_path / "keys").exists()


def test_the_whole_way_by_commands(fedkeys: Any, tmp_path: Path) -> None:
    corpus = shipped_corpus()
    assert fedkeys("enroll", "--keys", "keys").returncode == 2
    made = fedkeys("enroll", "--corpus", corpus, "--keys", "keys", "--enrolled", "phones")
    assert (made.returncode, made.stdout) == (0, "")
    assert "30 phones enrolled in phones; 30 new keys in keys, 0 kept" in made.stderr
    before = {file: file.read_bytes() for file in (tmp_path / "keys").iterdir()}
    again = fedkeys("enroll", "nurse", "--corpus", corpus, "--keys", "keys", "--enrolled", "phones")
    assert "nurse.key: was there, and is kept" in again.stderr
    assert {file: file.read_bytes() for file in (tmp_path / "keys").iterdir()} == before
    if sys.platform != "win32":
        assert {file.stat().st_mode & 0o777 for file in before} == {0o600}
    names = {file.stem for file in (tmp_path / "phones").iterdir()}
    assert names == {PhoneKey.load(file).public.fingerprint for file in before}

    fedkeys("delta", corpus, "--out", "plain")
    fedkeys("delta", corpus, "--keys", "keys", "--out", "deltas")
    first = [file.read_bytes() for file in sorted((tmp_path / "deltas").iterdir())]
    fedkeys("delta", corpus, "--keys", "keys", "--out", "deltas")
    assert [file.read_bytes() for file in sorted((tmp_path / "deltas").iterdir())] == first
    given_ = ("--state", "fleet", "--enrolled", "phones")
    merged = fedkeys("aggregate", "deltas", *given_, "--out", "a.model")
    assert (merged.returncode, "30 deltas merged" in merged.stderr) == (0, True)
    unsigned = fedkeys("aggregate", "plain", *given_)
    assert (unsigned.returncode, unsigned.stderr.count("is not signed")) == (3, 30)
    assert fedkeys("aggregate", "deltas", "--state", "fleet").returncode == 2
    assert fedkeys("aggregate", "--state", "fleet", "--out", "b.model").returncode == 0
    assert (tmp_path / "a.model").read_bytes() == (tmp_path / "b.model").read_bytes()
    status = fedkeys("aggregate", "--state", "fleet", "--status", "--json")
    assert json.loads(status.stdout)["enrolled"] is True


def test_withdrawal_by_commands(fedkeys: Any, tmp_path: Path) -> None:
    for name in ("nurse", "pilot"):
        (tmp_path / "corpus").mkdir(exist_ok=True)
        (tmp_path / "corpus" / f"{name}.txt").write_text(f"hello {name}\nsee you\n")
    fedkeys("enroll", "nurse", "pilot", "--keys", "keys")
    fedkeys("delta", "corpus", "--keys", "keys", "--out", "deltas")
    given_ = ("--state", "fleet", "--enrolled", "keys/enrolled")
    fedkeys("aggregate", "deltas", *given_)
    mine = "deltas/nurse.delta"
    for arguments, status, why in (
        ((mine,), 2, "name it with --state; on a phone, sign the withdrawal with --key and --out"),
        ((mine, "--out", "x.withdrawal"), 2, "name its key with --key"),
        ((mine, "--key", "none.key", "--out", "x.withdrawal"), 2, "no such file"),
        ((mine, "--key", "keys/pilot.key", "--out", "x.withdrawal"), 3, "and the key is that of"),
        ((mine, "--state", "fleet"), 2, "name the directory of their keys with --enrolled"),
        ((mine, *given_), 3, "sign it on the phone: fedkeys withdraw mine.delta --key NAME.key"),
        (("deltas", *given_), 2, "no *.withdrawal file below it; make some with fedkeys withdraw --key"),
    ):
        done = fedkeys("withdraw", *arguments)
        assert (done.returncode, why in done.stderr) == (status, True), done.stderr
    assert not (tmp_path / "x").exists()
    asked = fedkeys("withdraw", mine, "--key", "keys/nurse.key", "--out", "mine.withdrawal")
    assert (asked.returncode, "1 signed" in asked.stderr) == (0, True)
    taken = fedkeys("withdraw", "mine.withdrawal", *given_)
    assert (taken.returncode, "1 withdrawn; fleet holds 1 delta of 1 phone" in taken.stderr) == (0, True)
    both = fedkeys("withdraw", "deltas/pilot.delta", "--key", "keys/pilot.key", *given_)
    assert (both.returncode, "1 withdrawn; fleet holds 0 deltas of 0 phones" in both.stderr) == (0, True)


def test_keys_that_are_missing_or_shared_are_named(fedkeys: Any, tmp_path: Path) -> None:
    fedkeys("enroll", "astronaut", "--keys", "keys")
    missing = fedkeys("delta", shipped_corpus(), "--keys", "keys", "--out", "deltas")
    assert (missing.returncode, "no such key; make it with fedkeys enroll" in missing.stderr) == (2, True)
    assert not (tmp_path / "deltas").exists()
    (tmp_path / "corpus").mkdir()
    for name in ("a", "b"):
        (tmp_path / "corpus" / f"{name}.txt").write_text("hello\n")
        (tmp_path / "keys" / f"{name}.key").write_bytes((tmp_path / "keys" / "astronaut.key").read_bytes())
    shared = fedkeys("delta", "corpus", "--keys", "keys", "--out", "deltas")
    assert (shared.returncode, "is also the key of the phone 'a'" in shared.stderr) == (2, True)


def test_inspect_shows_who_signed(fedkeys: Any, tmp_path: Path) -> None:
    def told(*arguments: str) -> str:
        return " ".join(fedkeys("inspect", *arguments).stdout.split())

    (tmp_path / "phones").mkdir()
    (tmp_path / "phones" / "a.pub").write_bytes(PUBLIC[0].to_pem())
    (tmp_path / "a.delta").write_bytes(signed(0))
    (tmp_path / "a.withdrawal").write_bytes(KEYS[0].sign(sent(0), Kind.WITHDRAWAL))
    (tmp_path / "forged.delta").write_bytes(STRANGER.sign(sent(0)))
    pseudonym = PUBLIC[0].pseudonym("fedkeys").hex()
    shown = told("a.delta")
    assert f"It is signed as a delta, in the name of {pseudonym}: only the holder" in shown
    assert "was not checked" in shown
    assert "to take this delta back" in told("a.withdrawal")
    assert "The signature is true" in told("a.withdrawal", "--enrolled", "phones")
    forged = fedkeys("inspect", "forged.delta", "--enrolled", "phones")
    assert (forged.returncode, "signature is not that of the phone" in forged.stderr) == (1, True)
    facts = json.loads(fedkeys("inspect", "a.delta", "--json").stdout)
    assert facts["signed"] == {"kind": "fedkeys.signed", "bytes": len(signed(0)), "checked": False}
    assert (facts["bytes"], facts["phone"]) == (len(sent(0)), pseudonym)


def test_a_delta_in_an_envelope_is_the_delta() -> None:
    assert message_in(signed(0)) == message_in(sent(0)) == sent(0)
    assert Delta.from_bytes(message_in(signed(0))).phone == PUBLIC[0].pseudonym("fedkeys")
    with pytest.raises(FormatError, match=r"not a 'fedkeys\.delta'"):
        Delta.from_bytes(signed(0))
