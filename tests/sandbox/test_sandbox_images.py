"""POST /v1/images/generations, read by the official SDK; the PNG decoded by its own rules."""

import base64
import struct
import zlib
from typing import Any

import pytest
from openai import BadRequestError


def draw(sdk, **members: Any):
    return sdk.images.generate(model="any-model", prompt="A dune", **members)


def png_of(encoded: str) -> dict[bytes, bytes]:
    """The chunks of a PNG, each checksum proved."""
    data = base64.b64decode(encoded)
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    chunks, place = {}, 8
    while place < len(data):
        size_bytes, kind = struct.unpack_from(">I4s", data, place)
        body = data[place + 8 : place + 8 + size_bytes]
        (checksum,) = struct.unpack_from(">I", data, place + 8 + size_bytes)
        assert checksum == zlib.crc32(kind + body)
        chunks[kind] = body
        place += 12 + size_bytes
    return chunks


@pytest.mark.parametrize(
    ("asked", "size"),
    [
        ("auto", (1024, 1024)),
        ("1536x1024", (1536, 1024)),
        ("4000x90", (1536, 90)),
        ("7x3", (7, 3)),
    ],
)
def test_picture_is_a_real_png_of_the_size_asked(sdk, asked, size):
    chunks = png_of(draw(sdk, size=asked).data[0].b64_json)
    width, height, depth, colour_type = struct.unpack_from(">IIBB", chunks[b"IHDR"])
    assert ((width, height), depth, colour_type) == (size, 8, 3)
    assert len(zlib.decompress(chunks[b"IDAT"])) == height * (width + 1)
    assert len(chunks[b"PLTE"]) == 256 * 3


def test_picture_carries_the_word_in_ink(sdk):
    rows = zlib.decompress(png_of(draw(sdk, size="256x256").data[0].b64_json)[b"IDAT"])
    assert 0.02 < rows.count(255) / len(rows) < 0.2


def test_usage_has_the_shape_and_size_of_gpt_image(sdk):
    usage = draw(sdk, size="1024x1536", quality="low", n=2).usage
    assert usage.output_tokens == 2 * 408
    assert usage.input_tokens == usage.input_tokens_details.text_tokens == 2
    assert usage.total_tokens == usage.input_tokens + usage.output_tokens


def test_n_pictures_come_and_url_is_a_data_url(sdk):
    answer = draw(sdk, n=3, size="32x32", response_format="url")
    assert len(answer.data) == 3
    assert answer.data[0].url.startswith("data:image/png;base64,iVBOR")


@pytest.mark.parametrize(
    ("members", "param"),
    [({"size": "big"}, "size"), ({"quality": "best"}, "quality"), ({"n": 11}, "n")],
)
def test_bad_member_is_named(sdk, members, param):
    with pytest.raises(BadRequestError) as caught:
        draw(sdk, **members)
    assert caught.value.param == param
