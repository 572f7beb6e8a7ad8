"""The public prior without what adult sites brought: a keyboard must not put that into anyone's mouth.

In: word lists that were counted on web pages. Out: the same without explicit words and slurs, and without the
pairs that such sites have shaped. Law: only the public prior is cut; what people type themselves, keyboards offer.

A word is shaped if of all pairs that it is in a part of `_SHAPED` has an explicit word as the other one: "big",
"hot", "girls". Two shaped words make no pair: "hot water" stays, "hot girls" goes.
"""

import numpy as np

from fedkeys.phone.prior_lists import Lists

_SHAPED = 0.03

_TEXT = """
anal anus arse arsehole ass asses bareback bastard bastards bestiality bitch bitches bitchy blowjob
blowjobs bollocks bondage boner boob boobs booty breasted bullshit bullshitting busty butt butts chink
clit clitoris cock cocks cocksucker coon crap cum cumming cunnilingus cunt cunts damn dick dicks dildo
dildoes dildos dyke dykes ejaculation erection erections erotic erotica fag faggot fags fellatio fetish
fetishes fornicate fuck fucked fucker fuckers fucking fucks genitals gook hardcore hoe hoes hogtied horny
incest incestuous kike kinky lolita masturbate masturbated masturbating masturbation milf milfs
motherfucker naked negro nigga nigger niggers nipple nipples nude nudes nudist nudists nudity nymphets
nympho orgasm orgasms orgies orgy panties pantyhose pee peeing penis penises pimp piss pissed pissing
playboy porn porno pornographic pornography preteen prostitute prostitutes pubic pussies pussy queer rape
raped rapist rectum retard retarded semen sex sexy shag shit shits shitty slut sluts slutty sodomy spank
spanking sperm squirt squirting striptease suck sucker sucking sucks swinger swingers testicles thong
thongs threesome threesomes tit tits titties titty topless transsexual transsexuals twat twink twinks
vagina vaginal vaginas viagra vibrator vibrators voyeur wank wanker whore whores xxx zoophilia
"""
_EXPLICIT = frozenset(_TEXT.split())


def cleaned(lists: Lists) -> Lists:
    """Leave such words and pairs out."""
    size = len(lists.words)
    explicit = np.fromiter((word in _EXPLICIT for word in lists.words), bool, size)
    first, second, pairs = lists.first, lists.second, lists.pairs
    either = explicit[first] | explicit[second]
    every = np.bincount(first, pairs, size) + np.bincount(second, pairs, size)
    with_explicit = np.bincount(first, pairs * either, size) + np.bincount(second, pairs * either, size)
    shaped = with_explicit > _SHAPED * every
    kept = ~either & ~(shaped[first] & shaped[second])
    places = np.cumsum(~explicit) - 1
    return Lists(
        [word for word in lists.words if word not in _EXPLICIT],
        lists.counts[~explicit],
        places[first[kept]],
        places[second[kept]],
        pairs[kept],
    )
