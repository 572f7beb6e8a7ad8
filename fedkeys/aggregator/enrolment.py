"""Who may take part: only phones whose keys are enrolled, where there is an enrolment.

In: a directory of public keys; messages as they came. Out: the heads of those that an enrolled phone signed.
Laws: K keys are at most K pseudonyms; the pseudonym that is held against the keys is read by the same code as
the one that is merged; a state is all signed, or all not. What a phone says of itself is still its own word.

To revoke a phone is to remove its file: what it sent before stays, and nothing more of it is taken, not even a
withdrawal. Who may write to the directory decides who takes part.
"""

from collections.abc import Iterable
from pathlib import Path

from fedkeys.aggregator.state import State
from fedkeys.delta import MAX_DELTA_BYTES, Head
from fedkeys.delta.keys import PublicKey
from fedkeys.delta.signed import Envelope, Kind
from fedkeys.errors import FormatError, RefusedError, UsageError

KEY_SUFFIX = ".pub"

_FACT = "enrolled"


class Enrolment:
    """The phones that may take part in a federation.

    Args:
        keys: of the phones.
        federation: its name.

    Raises:
        FormatError: no delta could carry the federation's name.
    """

    def __init__(self, keys: Iterable[PublicKey], federation: str = "fedkeys") -> None:
        self.federation = federation
        self._keys = {key.pseudonym(federation): key.raw for key in keys}

    def __len__(self) -> int:
        return len(self._keys)

    @classmethod
    def read(cls, directory: Path, federation: str = "fedkeys") -> "Enrolment":
        """Read the keys of a directory: all files `*.pub` that lie in it.

        Raises:
            UsageError: there is no such directory, or no key in it.
            FormatError: a file is no public Ed25519 key.
            FedkeysError: a file cannot be read.
        """
        remedy = "name the directory into which fedkeys enroll put the public keys"
        if not directory.is_dir():
            raise UsageError("no such directory", file=directory, remedy=remedy)
        enrolment = cls(map(PublicKey.load, sorted(directory.glob(f"*{KEY_SUFFIX}"))), federation)
        if not len(enrolment):
            raise UsageError(f"no *{KEY_SUFFIX} file in it", file=directory, remedy=remedy)
        return enrolment

    def open(self, data: bytes, kind: Kind = Kind.DELTA) -> Head:
        """Open a message that an enrolled phone signed.

        Args:
            data: the envelope as it came.
            kind: what it must have been signed for.

        Raises:
            RefusedError: it is not signed, or not by the phone that it says it is from, or that is not enrolled.
            FormatError: it is no sound envelope, or holds no sound delta.
        """
        envelope = Envelope.of(data)
        head = _head(data if envelope is None else envelope.message)
        if envelope is None or envelope.kind is not kind:
            raise _unsigned(envelope, kind)
        key = self._key_of(head)
        if not key.signed(envelope):
            raise RefusedError(
                f"the signature is not that of the phone {head.phone.hex()[:8]}",
                remedy="it was changed, or signed with another key; get it again from its phone",
            )
        return head

    def check_said(self, phone: bytes, said: bytes, signature: bytes) -> None:
        """Refuse what no enrolled phone has signed.

        Args:
            phone: the pseudonym of who says so.
            said: what it says.
            signature: of that.

        Raises:
            RefusedError: the phone is not enrolled, or has not signed it.
        """
        if not self._key(phone).has_signed(said, signature):
            raise RefusedError(f"the phone {phone.hex()[:8]} has not signed this")

    def _key_of(self, head: Head) -> PublicKey:
        """The key that has a delta's pseudonym."""
        if head.federation != self.federation:
            raise RefusedError(
                f"belongs to the federation {head.federation!r}, these phones to {self.federation!r}",
                remedy="name the federation with --federation",
            )
        return self._key(head.phone)

    def _key(self, phone: bytes) -> PublicKey:
        raw = self._keys.get(phone)
        if raw is None:
            raise RefusedError(
                f"the phone {phone.hex()[:8]} is not enrolled",
                remedy="the public key that fedkeys enroll made for it belongs into the directory of --enrolled",
            )
        return PublicKey(raw)


def opened(data: bytes, enrolment: Enrolment | None, kind: Kind = Kind.DELTA) -> Head:
    """Open a message as it came.

    Without an enrolment an envelope's delta is taken and its signature not looked at; what is signed as a
    withdrawal is no delta to be merged all the same.

    Raises:
        RefusedError: it must not be merged, or taken back.
        FormatError: it is no sound delta, signed or not.
    """
    if enrolment is not None:
        return enrolment.open(data, kind)
    envelope = Envelope.of(data)
    if envelope is None:
        return _head(data)
    if envelope.kind is Kind.WITHDRAWAL and kind is Kind.DELTA:
        raise _unsigned(envelope, kind)
    return _head(envelope.message)


def begin_enrolment(state: State, enrolment: Enrolment | None, federation: str) -> None:
    """Note in a state that it takes only what enrolled phones signed, if that is how it begins.

    Raises:
        UsageError: it holds deltas that nobody signed, or the phones are enrolled in another federation.
    """
    if enrolment is None:
        return
    if enrolment.federation != federation:
        state.close()
        raise UsageError(f"the phones are enrolled in {enrolment.federation!r}, not in {federation!r}")
    if state.ledger.deltas and not is_enrolled(state):
        state.close()
        raise UsageError(
            "holds deltas that were merged without enrolment, whoever made them",
            file=state.path,
            remedy="begin a new state with --enrolled, or leave it out",
        )
    state.note(**{_FACT: 1})


def require_enrolment(state: State, enrolment: Enrolment | None) -> None:
    """Refuse to take anything into a state with enrolment from whoever names no keys.

    Raises:
        UsageError: the state takes only what enrolled phones signed, and they are not known.
    """
    if enrolment is None and is_enrolled(state):
        raise UsageError(
            "takes only what enrolled phones have signed",
            file=state.path,
            remedy="name the directory of their keys with --enrolled",
        )


def is_enrolled(state: State) -> bool:
    """Tell whether a state takes only what enrolled phones have signed."""
    return _FACT in state.facts()


def _head(message: bytes) -> Head:
    if len(message) > MAX_DELTA_BYTES:
        raise FormatError(
            f"a delta of {len(message):,} bytes, more than the {MAX_DELTA_BYTES:,} that are read"
        )
    return Head.of(message)


def _unsigned(envelope: Envelope | None, kind: Kind) -> RefusedError:
    """Say what is missing, and which command makes it."""
    if kind is Kind.WITHDRAWAL:
        return RefusedError(
            "is no signed withdrawal, and enrolled phones take back only what they sign",
            remedy="sign it on the phone: fedkeys withdraw mine.delta --key NAME.key --out mine.withdrawal",
        )
    if envelope is not None:
        return RefusedError("is a withdrawal, not a delta", remedy="fedkeys withdraw takes it")
    return RefusedError("is not signed", remedy="enrolled phones sign with fedkeys delta --keys")
