"""Which installed distributions the source `environment` may read: run-time dependencies that `constraints.txt` pins.

Left out on purpose: this project itself, everything used only to develop it, installers (their version is the
machine's), torch except some headers (its wheels differ between a laptop and a GPU box), nvidia wheels.
"""

from __future__ import annotations

DISTRIBUTIONS = frozenset(
    """
    absl-py accelerate aiohappyeyeballs aiohttp aiosignal annotated-doc annotated-types anyio attrs babel blis catalogue
    certifi charset-normalizer click cloudpathlib colorama confection courlan cymem dataproperty datasets datasketch
    datatrove dateparser defusedxml dill duckdb evaluate fastwarc fasttext-numpy2-wheel filelock frozenlist fsspec ftfy
    h11 hf-xet htmldate httpcore httpx huggingface-hub humanize idna inscriptis jinja2 joblib justext lightgbm llvmlite
    lm-eval loguru lxml lxml-html-clean markdown-it-py markupsafe mbstrdecoder mdurl more-itertools mpmath multidict
    multiprocess murmurhash narwhals networkx nltk numba numpy orjson packaging pandas pathvalidate portalocker preshed
    propcache psutil pyarrow pybind11 pydantic pydantic-core pygments pytablewriter python-dateutil pytz pyyaml regex
    requests resiliparse rich rouge-score sacrebleu safetensors scikit-learn scipy shellingham six smart-open spacy
    spacy-legacy spacy-loggers sqlitedict srsly sympy tabledata tabulate tcolorpy thinc threadpoolctl tld tokenizers
    tqdm trafilatura transformers typepy typer typing-extensions typing-inspection tzlocal urllib3 warcio wasabi wcwidth
    weasel word2number xxhash yarl zstandard
    """.split()
)

TORCH_HEADERS = (
    "torch/include/ATen/core/",
    "torch/include/c10/core/",
    "torch/include/c10/util/",
    "torch/include/torch/csrc/api/include/",
)
"""Headers that a CPU wheel and a CUDA wheel of one torch version share."""

STANDARD_LIBRARY = "python-standard-library"

SKIPPED_STDLIB = frozenset(
    """
    site-packages dist-packages __pycache__ test tests idle_test idlelib tkinter turtledemo lib2to3 distutils ensurepip
    LICENSE.txt
    """.split()
)
"""Names in the standard library that are left out: other people's packages, tests larger than the library, and parts
that some systems package apart from it."""
