"""`summed`: a phone's delta, added to others without anybody's seeing it.

In: a phone, and the terms of a run. Out: its part in the run. Laws: what leaves the phone says the delta's length,
rounded up, and its number, all else goes under masks; a delta of a sum that was opened is in no other.
"""

from collections.abc import Mapping

from fedkeys.counts import Vocabulary
from fedkeys.delta.keys import PhoneKey, PublicKey
from fedkeys.delta.secure import Terms
from fedkeys.delta.table import entries_in, sketch_of_length, table_of
from fedkeys.errors import UsageError
from fedkeys.phone.device import Phone
from fedkeys.phone.secure import SecurePhone
from fedkeys.privacy.masks import Vector


def summed(
    phone: Phone,
    base: Vocabulary,
    terms: Terms,
    signer: PhoneKey | None = None,
    known: Mapping[bytes, PublicKey] | None = None,
) -> SecurePhone:
    """Give a phone's part in one run.

    Args:
        phone: its last delta is added up, the one whose fate is not known, or else a new one.
        base: the vocabulary that the run writes against.
        terms: of the run.
        signer, known: its own key and those of its federation, as of `SecurePhone`.

    Raises:
        UsageError: the extra `privacy` is not installed; or the last delta is written against another vocabulary,
            and it has to be refused first.

    It has one run at a time, and of a delta whose shares were given away it gives none in another sum.
    """
    delta = phone.delta(base)
    if (delta.base, delta.known) != (base.reference, len(base)):
        raise UsageError("the delta is written against another vocabulary", remedy="call refused() first")
    phone.join(terms.run)

    def vector(length: int) -> Vector:
        phone.check_in(terms.run)
        sketch = sketch_of_length(length, terms.run)
        return sketch.vector(*table_of(delta, base, sketch.salt))

    return SecurePhone(
        terms,
        phone.pseudonym,
        delta.sequence,
        entries_in(delta),
        vector,
        signer=signer,
        known=known,
        bound=lambda: phone.bound,
        may_share=lambda name: phone.bind(name, terms.run),
    )
