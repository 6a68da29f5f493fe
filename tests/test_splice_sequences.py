"""Letters as probability rows, the other strand, FASTA: what is kept, what is refused, and in which words."""

import gzip
import io
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcbook.splice import sequences
from mcbook.splice.sequences import IUPAC, decode, encode, encode_windows, reverse_complement

FASTA = """>first one of two
ACGTN
acgu

; an old comment
>second
RYSW
"""
ANY = st.text(alphabet="".join(IUPAC), min_size=1, max_size=40)


def test_rows_are_probabilities_of_the_bases():
    X = encode("ACGTRN")
    expected = [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1], [0.5, 0, 0.5, 0], [0.25] * 4]
    np.testing.assert_array_equal(X, expected)
    np.testing.assert_allclose(encode("".join(IUPAC)).sum(axis=1), 1, atol=1e-15)
    assert encode("A", dtype=np.float32).dtype == np.float32


def test_case_and_rna_are_read_as_what_they_mean():
    np.testing.assert_array_equal(encode("acgun"), encode("ACGTN"))


@given(ANY)
@settings(max_examples=50, deadline=None)
def test_nothing_is_lost(sequence):
    assert decode(encode(sequence)) == sequence
    assert reverse_complement(reverse_complement(sequence)) == sequence
    np.testing.assert_array_equal(encode(reverse_complement(sequence)), encode(sequence)[::-1, ::-1])


@pytest.mark.parametrize(
    ("sequence", "other"),
    [("AACG", "CGTT"), ("aacG", "Cgtt"), ("AACGU", "ACGUU"), ("auR", "Yau"), ("N", "N")],
)
def test_the_other_strand(sequence, other):
    assert reverse_complement(sequence) == other


@pytest.mark.parametrize(
    ("sequence", "says"),
    [
        ("ACGX", "has 'X' at position 4 of 4, which is no nucleotide.*write N"),
        ("AC-GT", "'-' at position 3 .*alignment"),
        ("AC GT", "' ' at position 3 .*Strip blanks"),
        ("MKL", "'L' at position 3 .*protein"),
        ("ACéT", "'é' at position 3"),
        ("A?", r"'\?' at position 2"),
        ("", "is empty"),
        (b"ACGT", "must be a string of nucleotides, got bytes"),
        (None, "got NoneType"),
    ],
)
@pytest.mark.parametrize("function", [encode, reverse_complement])
def test_what_is_no_sequence_is_refused_by_name(function, sequence, says):
    with pytest.raises(ValueError, match=says):
        function(sequence)


def test_dna_and_rna_in_one_have_no_other_strand():
    with pytest.raises(ValueError, match="both T and U"):
        reverse_complement("ATU")


def test_windows_of_one_length():
    assert encode_windows(["ACGT", "NNNN"]).shape == (2, 4, 4)
    with pytest.raises(ValueError, match="sequence 1 has 3; cut windows"):
        encode_windows(["ACGT", "ACG"])
    with pytest.raises(ValueError, match="sequences of 60 letters, sequence 0 has 4"):
        encode_windows(["ACGT"], length=60)
    with pytest.raises(ValueError, match="sequence 1 has 'Z' at position 2"):
        encode_windows(["ACGT", "AZGT"])
    with pytest.raises(ValueError, match="got none"):
        encode_windows([])
    with pytest.raises(ValueError, match=r"encode\(sequence\)\[None\]"):
        encode_windows("ACGT")


@pytest.mark.parametrize(
    "X", [np.ones(4), np.ones((2, 3)), np.full((1, 4), np.nan), np.zeros((1, 4)), np.array([[1.0, 0, 0, -1]])]
)
def test_what_is_no_letter_is_not_decoded(X):
    with pytest.raises(ValueError, match="decode expects"):
        decode(X)


def test_fasta_yields_every_record(tmp_path):
    expected = [("first", "one of two", "ACGTNacgu"), ("second", "", "RYSW")]
    plain, zipped = tmp_path / "a.fa", tmp_path / "a.fa.gz"
    plain.write_bytes(FASTA.replace("\n", "\r\n").encode())
    zipped.write_bytes(gzip.compress(FASTA.encode()))
    for source in (
        plain,
        str(plain),
        zipped,
        io.StringIO(FASTA),
        FASTA.splitlines(),
        iter(FASTA.splitlines()),
    ):
        assert [tuple(record) for record in sequences.read_fasta(source)] == expected


@pytest.mark.parametrize("chunk", [1, 3, 7, 1000])
def test_pieces_join_to_the_records(chunk, rng):
    letters = "".join(rng.choice(list("ACGT"), 200))
    lines = [">a", *(letters[i : i + 7] for i in range(0, 200, 7)), ">b", "ACG"]
    pieces = list(sequences.stream_fasta(lines, chunk=chunk))
    assert "".join(piece.letters for piece in pieces if piece.name == "a") == letters
    assert pieces[-1] == ("b", 0, "ACG")
    for piece in pieces[:-1]:
        assert letters[piece.start : piece.start + len(piece.letters)] == piece.letters
        assert len(piece.letters) >= min(chunk, len(letters) - piece.start)


def test_streaming_holds_a_chunk_and_not_the_file(tmp_path):
    """A record of eight million letters, in one line and in many, passes through less than a megabyte."""
    for name, line in (("one.fa", "ACGT" * 2_000_000), ("many.fa", "\n".join(["ACGT" * 20] * 100_000))):
        path = tmp_path / name
        path.write_text(f">a\n{line}\n")
        tracemalloc.start()
        total = sum(len(piece.letters) for piece in sequences.stream_fasta(path))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert total == 8_000_000
        assert peak < 1_000_000


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("ACGT\n", "line 1 .* before a title"),
        ("\n>\nACGT", "line 2 .* title without a name"),
        (">a\n>b\nACGT", "record 'a' has no letters"),
        (">a\nACGT\n>b\n", "record 'b' has no letters"),
        (">a\nACGT\nAC*T", r"record 'a', line 3, has '\*' at position 3"),
        ("", "FASTA is empty"),
    ],
)
@pytest.mark.parametrize("read", [sequences.read_fasta, sequences.stream_fasta])
def test_a_broken_fasta_is_refused_by_name(read, text, says):
    with pytest.raises(ValueError, match=says):
        list(read(text.splitlines()))


def test_text_is_not_a_path(tmp_path):
    with pytest.raises(ValueError, match=r"text\.splitlines\(\)"):
        list(sequences.read_fasta(FASTA))
    with pytest.raises(FileNotFoundError):
        list(sequences.read_fasta(tmp_path / "none.fa"))
    with pytest.raises(ValueError, match="chunk must be at least 1"):
        sequences.stream_fasta(FASTA.splitlines(), chunk=0)
