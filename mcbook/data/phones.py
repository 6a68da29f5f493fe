"""The sounds that the voice synthesiser knows, and what the three speakers say.

Vowels: average formants of men, women and children, G. E. Peterson and H. L. Barney, Control methods used in
a study of the vowels, J. Acoust. Soc. Am. 24(2), 1952, 175-184, Table II. doi:10.1121/1.1906875
Consonants: formant targets after D. H. Klatt, Software for a cascade/parallel formant synthesizer,
J. Acoust. Soc. Am. 67(3), 1980, 971-995, Table III (one man), scaled to women and children.
doi:10.1121/1.383940. Loudness, lengths and the colour of the noise are ours, set by ear and eye.
"""

from typing import NamedTuple

Formants = tuple[int, int, int]  # F1, F2, F3 in Hz

# "m" men, "w" women, "c" children
VOWELS: dict[str, dict[str, Formants]] = {
    "iy": {"m": (270, 2290, 3010), "w": (310, 2790, 3310), "c": (370, 3200, 3730)},  # heed
    "ih": {"m": (390, 1990, 2550), "w": (430, 2480, 3070), "c": (530, 2730, 3600)},  # hid
    "eh": {"m": (530, 1840, 2480), "w": (610, 2330, 2990), "c": (690, 2610, 3570)},  # head
    "ae": {"m": (660, 1720, 2410), "w": (860, 2050, 2850), "c": (1010, 2320, 3320)},  # had
    "aa": {"m": (730, 1090, 2440), "w": (850, 1220, 2810), "c": (1030, 1370, 3170)},  # hod
    "ao": {"m": (570, 840, 2410), "w": (590, 920, 2710), "c": (680, 1060, 3180)},  # hawed
    "uh": {"m": (440, 1020, 2240), "w": (470, 1160, 2680), "c": (560, 1410, 3310)},  # hood
    "uw": {"m": (300, 870, 2240), "w": (370, 950, 2670), "c": (430, 1170, 3260)},  # who'd
    "ah": {"m": (640, 1190, 2390), "w": (760, 1400, 2780), "c": (850, 1590, 3360)},  # hud
    "er": {"m": (490, 1350, 1690), "w": (500, 1640, 1960), "c": (560, 1820, 2160)},  # heard
}

# How much higher the formants of women and children lie, averaged over the vowels above.
TRACT_SCALE = {"m": 1.0, "w": 1.17, "c": 1.32}


class Phone(NamedTuple):
    """A stretch of sound: its length, its formants (as a man's), and how loud its sources are (0 to 1)."""

    ms: float
    formants: Formants
    voice: float = 0.0
    breath: float = 0.0  # noise at the glottis, through the formants
    hiss: float = 0.0  # noise at a constriction, through one resonance of its own
    hiss_hz: float = 4000.0
    hiss_width_hz: float = 2000.0


def _stop(formants: Formants, hiss_hz: float, *, voiced: bool) -> tuple[Phone, ...]:
    """A closure, a burst, and (voiceless) a breath."""
    if voiced:
        return (Phone(50, formants, voice=0.10), Phone(12, formants, 0.3, 0.0, 0.25, hiss_hz, 1500))
    return (
        Phone(65, formants),
        Phone(14, formants, 0.0, 0.2, 0.5, hiss_hz, 1500),
        Phone(32, formants, 0.0, 0.5),
    )


CONSONANTS: dict[str, tuple[Phone, ...]] = {
    "w": (Phone(65, (290, 610, 2150), voice=0.55),),
    "y": (Phone(60, (260, 2070, 3020), voice=0.55),),
    "r": (Phone(70, (310, 1060, 1380), voice=0.6),),
    "l": (Phone(65, (310, 1050, 2880), voice=0.55),),
    "m": (Phone(75, (270, 1270, 2130), voice=0.5),),  # F1 at Klatt's nasal pole
    "n": (Phone(65, (270, 1340, 2470), voice=0.5),),
    "hh": (Phone(60, (500, 1500, 2500), breath=0.6),),
    "f": (Phone(95, (340, 1100, 2080), hiss=0.16, hiss_hz=5000, hiss_width_hz=5000),),
    "th": (Phone(85, (320, 1290, 2540), hiss=0.14, hiss_hz=5600, hiss_width_hz=4000),),
    "dh": (Phone(45, (270, 1290, 2540), 0.35, 0.0, 0.06, 5600, 4000),),
    "s": (Phone(105, (320, 1390, 2530), hiss=0.45, hiss_hz=5800, hiss_width_hz=1500),),
    "z": (Phone(75, (240, 1390, 2530), 0.30, 0.0, 0.24, 5800, 1500),),
    "sh": (Phone(110, (300, 1840, 2750), hiss=0.45, hiss_hz=3000, hiss_width_hz=1100),),
    "b": _stop((200, 1100, 2150), 900.0, voiced=True),
    "d": _stop((200, 1600, 2600), 3800.0, voiced=True),
    "p": _stop((400, 1100, 2150), 900.0, voiced=False),
    "t": _stop((400, 1600, 2600), 4200.0, voiced=False),
    "k": _stop((300, 1990, 2850), 2200.0, voiced=False),
    ",": (Phone(230, (500, 1500, 2500)),),
    ".": (Phone(420, (500, 1500, 2500)),),
}

PAUSES = (",", ".")
VOWEL_MS, STRESSED_MS = 95.0, 165.0


class Speaker(NamedTuple):
    """Who speaks (m, w or c: whose vocal tract), how high, how slowly, how breathily, and what.

    The text is a row of phones: "1" after a vowel stresses it; "," and "." are pauses, which end a phrase.
    """

    name: str
    tract: str
    pitch_hz: float
    slowness: float
    breath: float
    lead_s: float
    seed: int
    text: str


SPEAKERS = (
    # To be, or not to be: that is the question.
    Speaker(
        "low", "m", 108.0, 1.27, 0.012, 0.02825, 11,
        "t uw b iy1 . ao r n aa1 t uw b iy1 . dh ae1 t ih z , dh ah k w eh1 s t y ah n .",
    ),
    # She sells sea shells by the sea shore; the shells she sells are sea shells.
    Speaker(
        "middle", "w", 205.0, 0.92, 0.025, 0.208, 22,
        "sh iy s eh1 l z s iy1 sh eh l z , b aa1 ih dh ah s iy1 sh ao1 r . "
        "dh ah sh eh1 l z sh iy s eh1 l z , aa r s iy1 sh eh l z .",
    ),
    # Mary had a little lamb, its fleece was white as snow, and so was she.
    Speaker(
        "high", "c", 292.0, 0.94, 0.02, 0.20, 33,
        "m eh1 r iy hh ae d ah l ih1 t ah l l ae1 m . ih t s f l iy1 s w ah z w aa1 ih t ae z "
        "s n ao1 uh , ae n d s ao1 uh w ah z sh iy1 .",
    ),
)  # fmt: skip
