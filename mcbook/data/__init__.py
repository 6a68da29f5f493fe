"""The book's data: small sets of our own that ship with mcbook, and loaders for the sets of others.

    from mcbook import data
    data.voices()                # ships with mcbook
    data.speech()                # fetched once, checked, cached; or found in the folder MCBOOK_DATA
    data.available("speech")     # asks no network

`python -m mcbook.data` lists the sets, their licences and where they are, and fetches them by name.
MCBOOK_DATA names a folder to look in first (speech/*.flac, fetal_ecg/FOETAL_ECG.dat, ...; never written to);
MCBOOK_CACHE moves the cache.
"""

from mcbook.data.catalogue import DATASETS, Dataset, RemoteFile
from mcbook.data.ethanol import Ethanol, Frames, ethanol
from mcbook.data.genes import Junctions, splice_junctions
from mcbook.data.molecules import QM7, Molecule, SmallMolecules, qm7, small_molecules
from mcbook.data.photographs import photograph
from mcbook.data.proteins import Blat, blat
from mcbook.data.recordings import Recording, fetal_ecg, speech, voices
from mcbook.data.revised_md17 import RMD17, rmd17
from mcbook.data.room_responses import Room, images_in_room, rooms
from mcbook.data.store import DataCorrupt, DataMissing, available, cache_dir, embedded, load_npz
from mcbook.data.surfaces import Level, Stationary, Surfaces, Water102, ammonia, water, water102

__all__ = [
    "DATASETS",
    "QM7",
    "RMD17",
    "Blat",
    "DataCorrupt",
    "DataMissing",
    "Dataset",
    "Ethanol",
    "Frames",
    "Junctions",
    "Level",
    "Molecule",
    "Recording",
    "RemoteFile",
    "Room",
    "SmallMolecules",
    "Stationary",
    "Surfaces",
    "Water102",
    "ammonia",
    "available",
    "blat",
    "cache_dir",
    "embedded",
    "ethanol",
    "fetal_ecg",
    "images_in_room",
    "load_npz",
    "photograph",
    "qm7",
    "rmd17",
    "rooms",
    "small_molecules",
    "speech",
    "splice_junctions",
    "voices",
    "water",
    "water102",
]
