import os
import stat

import pytest

from ser.system.files import read_mapping, replacing, write_text


def test_the_file_is_whole_and_alone(tmp_path):
    path = tmp_path / "new" / "folder" / "file.json"
    write_text(path, "Grüße\n")
    assert path.read_bytes() == "Grüße\n".encode()
    assert list(path.parent.iterdir()) == [path]


def test_another_text_takes_the_files_place(tmp_path):
    path = tmp_path / "file.json"
    write_text(path, "a long first text")
    write_text(path, "short")
    assert path.read_text() == "short"
    assert list(tmp_path.iterdir()) == [path]


def test_a_reader_of_the_old_file_keeps_it(tmp_path):
    """The file is replaced, not written over: who has it open, or mapped, reads on undisturbed."""
    path = tmp_path / "file.txt"
    write_text(path, "old")
    with path.open() as reader:
        write_text(path, "new")
        assert reader.read() == "old"
    assert path.read_text() == "new"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, OSError])
def test_a_failure_leaves_the_old_file_and_no_temporary_one(tmp_path, error):
    path = tmp_path / "file.npz"
    path.write_text("old")
    with pytest.raises(error), replacing(path) as temporary:
        temporary.write_text("half of the new")
        raise error
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_makes_no_file(tmp_path):
    with pytest.raises(ValueError), replacing(tmp_path / "file.npz"):
        raise ValueError
    assert list(tmp_path.iterdir()) == []


def test_text_that_cannot_be_written_leaves_the_old_file(tmp_path):
    path = tmp_path / "file.txt"
    write_text(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_text(path, "half \ud800")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_in_the_way_is_an_error_and_nothing_is_left(tmp_path):
    (tmp_path / "taken").mkdir()
    with pytest.raises(OSError):
        write_text(tmp_path / "taken", "text")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_the_temporary_file_lies_beside_and_looks_like_none(tmp_path):
    """On the same file system, so that it can be renamed; hidden, so that no pattern for results finds it."""
    with replacing(tmp_path / "result.npz") as temporary:
        assert temporary.parent == tmp_path
        assert temporary.name.startswith(".")
        assert temporary.suffix == ".npz"


def test_permissions_are_the_usual_ones(tmp_path):
    before = os.umask(0o027)
    try:
        write_text(tmp_path / "file.txt", "text")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file.txt").stat().st_mode) == 0o640


@pytest.mark.parametrize("text", ["", "[1]", "{", "5", None], ids=["empty", "list", "cut", "number", "missing"])
def test_what_is_no_mapping_is_read_as_an_empty_one(tmp_path, text):
    file = tmp_path / "a.json"
    if text is not None:
        file.write_text(text)
    assert read_mapping(file) == {}
    file.write_text('{"a": 1}')
    assert read_mapping(file) == {"a": 1}
