"""Cells are those of their keys in whatever order records come: the reader learns the order of keys as it goes."""

from __future__ import annotations

import gzip

from genomicslearning.training_set.build import build_training_set


def test_the_rows_of_a_file_are_those_of_the_same_file_the_other_way_round(demo_pair, tmp_path):
    """Records with more keys come late, when the usual ones have been read by what was learnt before."""
    lines = gzip.decompress(demo_pair[1].read_bytes()).splitlines(keepends=True)
    header = [line for line in lines if line.startswith(b"#")]
    found = {}
    for name, order in (("forward", 1), ("backward", -1)):
        path = tmp_path / f"{name}.vcf"
        path.write_bytes(b"".join([*header, *lines[len(header) :][::order]]))
        build_training_set(annotated=str(path), out=str(tmp_path / f"{name}.csv"))
        found[name] = (tmp_path / f"{name}.csv").read_bytes().splitlines()
    assert found["forward"][0] == found["backward"][0] and len(found["forward"]) > 1000
    assert sorted(found["forward"]) == sorted(found["backward"])
