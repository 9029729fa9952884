"""A real llama.cpp server, from a wheel, with a random model of 130 KB that is made on the spot.

The model babbles; its server reports usage, refuses and streams as the real thing does.
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import gguf
import numpy

STARTS_WITHIN_S = 60
EMBEDDING_SIZE = 32
_HIDDEN_SIZE = 64
_WINDOW_TOKENS = 1024
_PARALLEL = 2

_LETTERS = [chr(code) for code in range(ord("a"), ord("z") + 1)]
_CHAT_TEMPLATE = (
    "{% for message in messages %}{{ message.role }}: {{ message.content }}\n{% endfor %}assistant:"
)
_SERVE = """
import sys
import xllamacpp

params = xllamacpp.CommonParams()
params.model.path = sys.argv[1]
params.model_alias = {"tiny"}
params.embedding = sys.argv[2] == "embeddings"
params.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN if params.embedding \
    else params.pooling_type
params.n_ctx = int(sys.argv[3])
params.n_parallel = int(sys.argv[4])
params.n_gpu_layers = 0
params.cpuparams.n_threads = 1
params.warmup = False
params.fit_params = False
params.port = 0
server = xllamacpp.Server(params)
print(server.listening_address, flush=True)
sys.stdin.read()
"""


@contextmanager
def running_llama(folder: Path, *, kind: str = "chat") -> Iterator[str]:
    """Yield the base URL (with ``/v1``) of a server for ``chat`` or ``embeddings``."""
    model = folder / "tiny.gguf"
    if not model.exists():
        _make_model(model)
    window = str(_WINDOW_TOKENS * _PARALLEL)
    with (
        (folder / f"{kind}.log").open("w") as log,
        subprocess.Popen(
            [sys.executable, "-c", _SERVE, str(model), kind, window, str(_PARALLEL)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        ) as process,
    ):
        assert process.stdout is not None
        try:
            address = process.stdout.readline().strip()
            assert address.startswith("http://"), (folder / f"{kind}.log").read_text()[-2000:]
            yield f"{address}/v1"
        finally:
            process.kill()


def _make_model(path: Path) -> None:
    """One layer of a llama with random weights; its tokens are letters and single bytes."""
    random = numpy.random.default_rng(7)
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    words = ["\u2581", *_LETTERS, *(f"\u2581{letter}" for letter in _LETTERS)]
    kinds = [gguf.TokenType.UNKNOWN, gguf.TokenType.CONTROL, gguf.TokenType.CONTROL]
    kinds += [gguf.TokenType.BYTE] * 256 + [gguf.TokenType.NORMAL] * len(words)

    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_context_length(_WINDOW_TOKENS)
    writer.add_embedding_length(EMBEDDING_SIZE)
    writer.add_block_count(1)
    writer.add_feed_forward_length(_HIDDEN_SIZE)
    writer.add_head_count(2)
    writer.add_head_count_kv(2)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(EMBEDDING_SIZE // 2)
    writer.add_vocab_size(len(tokens) + len(words))
    writer.add_tokenizer_model("llama")
    writer.add_token_list([*tokens, *words])
    writer.add_token_scores([-1000.0] * len(tokens) + [-float(n) for n in range(len(words))])
    writer.add_token_types(kinds)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_chat_template(_CHAT_TEMPLATE)

    def add(name: str, *shape: int) -> None:
        weights = numpy.ones(shape) if len(shape) == 1 else random.standard_normal(shape) * 0.3
        writer.add_tensor(name, weights.astype(numpy.float32))

    for name in ("token_embd", "output"):
        add(f"{name}.weight", len(tokens) + len(words), EMBEDDING_SIZE)
    add("output_norm.weight", EMBEDDING_SIZE)
    for name in ("attn_norm", "ffn_norm"):
        add(f"blk.0.{name}.weight", EMBEDDING_SIZE)
    for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
        add(f"blk.0.{name}.weight", EMBEDDING_SIZE, EMBEDDING_SIZE)
    for name in ("ffn_gate", "ffn_up"):
        add(f"blk.0.{name}.weight", _HIDDEN_SIZE, EMBEDDING_SIZE)
    add("blk.0.ffn_down.weight", EMBEDDING_SIZE, _HIDDEN_SIZE)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
