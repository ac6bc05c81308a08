"""Image names: the grammar and the kubelet's words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.runtime.errors import InvalidImageName
from sampan.runtime.images.reference import BadReference, image_id, parse, parse_reference

HEX = "a" * 64


@pytest.mark.parametrize(
    ("text", "whole", "registry", "repository"),
    [
        ("nginx", "docker.io/library/nginx:latest", "docker.io", "library/nginx"),
        ("nginx:1.25", "docker.io/library/nginx:1.25", "docker.io", "library/nginx"),
        ("luksa/kubia", "docker.io/luksa/kubia:latest", "docker.io", "luksa/kubia"),
        ("docker.io/nginx", "docker.io/library/nginx:latest", "docker.io", "library/nginx"),
        ("index.docker.io/nginx", "docker.io/library/nginx:latest", "docker.io", "library/nginx"),
        ("localhost/a", "localhost/a:latest", "localhost", "a"),
        ("localhost:5000/a/b:c", "localhost:5000/a/b:c", "localhost:5000", "a/b"),
        ("127.0.0.1:5000/a", "127.0.0.1:5000/a:latest", "127.0.0.1:5000", "a"),
        ("[::1]:5000/a", "[::1]:5000/a:latest", "[::1]:5000", "a"),
        ("registry.k8s.io/pause:3.9", "registry.k8s.io/pause:3.9", "registry.k8s.io", "pause"),
        ("Reg/a", "Reg/a:latest", "Reg", "a"),
        ("host/a", "docker.io/host/a:latest", "docker.io", "host/a"),
        (f"a@sha256:{HEX}", f"docker.io/library/a@sha256:{HEX}", "docker.io", "library/a"),
        (f"a:1@sha256:{HEX}", f"docker.io/library/a@sha256:{HEX}", "docker.io", "library/a"),
        ("a__b", "docker.io/library/a__b:latest", "docker.io", "library/a__b"),
        ("a---b/c", "docker.io/a---b/c:latest", "docker.io", "a---b/c"),
        ("test.com:tag", "docker.io/library/test.com:tag", "docker.io", "library/test.com"),
        ("test:5000", "docker.io/library/test:5000", "docker.io", "library/test"),
    ],
)
def test_names_mean_what_docker_means_by_them(text: str, whole: str, registry: str, repository: str) -> None:
    ref = parse(text)
    assert (str(ref), ref.registry, ref.repository) == (whole, registry, repository)
    assert str(parse(str(ref))) == str(ref)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "invalid reference format"),
        (":justtag", "invalid reference format"),
        ("Bad Image:", "invalid reference format: repository name (library/Bad Image) must be lowercase"),
        ("UPPER", "invalid reference format: repository name (library/UPPER) must be lowercase"),
        ("nginx:", "invalid reference format"),
        ("nginx: latest", "invalid reference format"),
        ("a//b", "invalid reference format"),
        ("a/b/", "invalid reference format"),
        ("-a", "invalid reference format"),
        ("a___b", "invalid reference format"),
        ("http://a/b", "invalid reference format"),
        ("a:" + "t" * 129, "invalid reference format"),
        ("a@sha256:abc", "invalid reference format"),
        ("a@sha256:" + "a" * 40, "invalid checksum digest length"),
        ("a@md5:" + "a" * 32, "unsupported digest algorithm"),
        ("a@sha256:" + "A" * 64, "invalid checksum digest format"),
        (HEX, f"invalid repository name ({HEX}), cannot specify 64-byte hexadecimal strings"),
        ("a\n", "invalid reference format"),
        ("ü", "invalid reference format"),
    ],
)
def test_bad_names_are_refused_in_the_kubelets_words(text: str, why: str) -> None:
    with pytest.raises(InvalidImageName) as caught:
        parse(text)
    quoted = text.replace("\n", "\\n")
    assert str(caught.value) == f'couldn\'t parse image name "{quoted}": {why}'


def test_a_long_name_is_refused() -> None:
    with pytest.raises(InvalidImageName, match="must not be more than 255 characters"):
        parse("a/" * 130 + "a")


@pytest.mark.parametrize(
    ("text", "familiar"),
    [("docker.io/library/nginx:1", "nginx"), ("docker.io/a/b", "a/b"), ("quay.io/a/b", "quay.io/a/b")],
)
def test_people_write_it_shorter(text: str, familiar: str) -> None:
    assert parse(text).familiar == familiar


def test_ids_are_told_from_names() -> None:
    assert image_id(HEX) == image_id(f"sha256:{HEX}") == f"sha256:{HEX}"
    assert image_id("nginx") == ""


@given(st.text(max_size=60))
def test_any_text_is_either_a_whole_name_or_refused(text: str) -> None:
    try:
        ref = parse_reference(text)
    except BadReference:
        return
    assert parse_reference(str(ref)) == ref if not (ref.tag and ref.digest) else True
    assert ref.repository
    assert "/../" not in f"/{ref.repository}/"
    assert ref.tag or ref.digest


@given(
    st.from_regex(
        r"([a-z]{1,8}\.[a-z]{2,3}(:[0-9]{1,5})?/)?[a-z0-9]+(/[a-z0-9]+){0,3}(:[A-Za-z0-9_.-]{1,9})?", fullmatch=True
    )
)
def test_well_formed_names_round_trip(text: str) -> None:
    try:
        ref = parse_reference(text)
    except BadReference:
        return  # a tag that begins with a dot or dash, 64 hex digits
    assert parse_reference(str(ref)) == ref
    assert parse_reference(ref.familiar + (f":{ref.tag}" if ref.tag else "")) == ref
