"""Publishing to S3, on a local server: whole and verified, or not a corpus at all."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tests.curation.publishing.conftest import Built, curate, write_pool

pytest.importorskip("s3fs", reason="s3fs is needed to publish to S3")
server = pytest.importorskip("moto.server", reason="moto is needed for a local S3 server")

OPEN = ("--licence-ok", "unknown")
KILLED = """
import os, signal, sys
from curation.publishing import places
put = places.ObjectPlace.put
def die(self, files, sent):
    put(self, files[:3], sent)
    os.kill(os.getpid(), signal.SIGKILL)
places.ObjectPlace.put = die
from curation.cli import main
main(sys.argv[1:])
"""


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """A local S3 server, for the environment of this process."""
    running = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    before = dict(os.environ)
    os.environ |= {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_ACCESS_KEY_ID": "made", "AWS_SECRET_ACCESS_KEY": "up",
        "AWS_DEFAULT_REGION": "us-east-1",
    }  # fmt: skip
    yield f"http://{host}:{port}"
    os.environ.clear()
    os.environ.update(before)
    running.stop()


@pytest.fixture
def bucket(endpoint: str, request: pytest.FixtureRequest) -> Any:
    """A bucket of this test's own, as boto3 sees it."""
    import boto3

    name = "b" + sha256(request.node.name.encode()).hexdigest()[:20]
    boto3.client("s3", endpoint_url=endpoint).create_bucket(Bucket=name)
    return boto3.resource("s3", endpoint_url=endpoint).Bucket(name)


def there(bucket: Any) -> dict[str, bytes]:
    return {item.key.partition("/")[2]: item.get()["Body"].read() for item in bucket.objects.all()}


def here(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def publish(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, dict[str, Any], str]:
    capsys.readouterr()
    code = curate("publish", *words, "--json", "-q")
    said = capsys.readouterr()
    return code, json.loads(said.out), said.err


def test_every_file_arrives_and_a_second_time_sends_nothing(
    built: Built, bucket: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    words = (built.out, f"s3://{bucket.name}/mine", *OPEN, "--store", built.store)
    code, dry, _ = publish(capsys, *words, "--dry-run")
    assert (code, there(bucket)) == (0, {})
    code, told, _ = publish(capsys, *words)
    assert (code, there(bucket)) == (0, here(built.out))
    assert sorted(dry["sent"]) == sorted(told["sent"])
    assert told["sent"][-1] == "manifest.json"
    assert told["bytes"] == sum(map(len, here(built.out).values()))
    code, told, _ = publish(capsys, *words)
    assert (code, told["sent"], len(told["kept"])) == (0, [], len(here(built.out)))


def test_a_corpus_of_the_store_goes_with_a_card_and_a_build_goes_straight_there(
    built: Built, bucket: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    name = f"corpus-{built.fingerprint[:8]}"
    assert publish(capsys, name, f"s3://{bucket.name}/one", *OPEN, "--store", built.store)[0] == 0
    assert {"README.md", "croissant.json", "provenance.json", "manifest.json"} <= there(bucket).keys()
    words = ("--pool", built.pool, "--store", built.store, "--out", f"s3://{bucket.name}/two", "-q", *OPEN)
    assert curate("build", built.out / "recipe.json", *words) == 0
    assert bucket.Object("two/manifest.json").get()["Body"].read() == (built.out / "manifest.json").read_bytes()


def test_killed_half_way_there_is_no_manifest_and_the_same_command_goes_on(
    built: Built, bucket: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("publish", str(built.out), f"s3://{bucket.name}/mine", *OPEN, "--store", str(built.store), "-q")
    done = subprocess.run([sys.executable, "-c", KILLED, *words], capture_output=True, check=False)
    assert done.returncode == -9, done.stderr
    assert len(there(bucket)) == 3
    assert "manifest.json" not in there(bucket)
    code, told, _ = publish(capsys, *words[1:])
    assert (code, len(told["kept"]), there(bucket)) == (0, 3, here(built.out))


def test_a_damaged_object_of_equal_size_is_sent_again(
    built: Built, bucket: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    words = (built.out, f"s3://{bucket.name}/mine", *OPEN, "--store", built.store)
    publish(capsys, *words)
    data = there(bucket)["funnel.json"]
    bucket.put_object(Key="mine/funnel.json", Body=b"x" * len(data))
    assert publish(capsys, *words)[1]["sent"] == ["funnel.json", "manifest.json"]
    assert there(bucket) == here(built.out)


def test_another_corpus_is_only_replaced_on_request(
    built: Built, bucket: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_pool(tmp_path / "pool.jsonl", 60)
    words = ("--pool", tmp_path / "pool.jsonl", "--store", tmp_path / "s", "--out", tmp_path / "other", "-q")
    assert curate("build", *words, "--set", "stages=[]", "--set", "panel.bytes_per_slice=3000") == 0
    place = f"s3://{bucket.name}/mine"
    publish(capsys, built.out, place, *OPEN, "--store", built.store)
    code, _, said = publish(capsys, tmp_path / "other", place, *OPEN, "--store", built.store)
    assert code == 2
    assert f"holds another corpus ({built.fingerprint[:8]})" in said
    assert there(bucket) == here(built.out)
    assert publish(capsys, tmp_path / "other", place, *OPEN, "--store", built.store, "--replace")[0] == 0
    assert there(bucket) == here(tmp_path / "other")


def test_licences_that_nobody_answers_for_send_nothing(
    built: Built, bucket: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, said = publish(capsys, built.out, f"s3://{bucket.name}/mine", "--store", built.store)
    assert code == 2
    assert "unknown (" in said
    assert "CC-BY-4.0" not in said
    assert there(bucket) == {}


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("s3://no-such-bucket-here/mine", "no such bucket"),
        ("s3://bucket-alone", "names a bucket alone"),
        ("http://example.org/x", "is no place to publish to"),
        ("simplecache::s3://b/x", "is no place to publish to"),
    ],
)
def test_a_wrong_address_is_one_block_with_exit_2(
    built: Built, endpoint: str, capsys: pytest.CaptureFixture[str], target: str, said: str
) -> None:
    code, _, told = publish(capsys, built.out, target, *OPEN, "--store", built.store)
    assert (code, "Traceback" in told) == (2, False)
    assert said in told


def test_a_bucket_without_permission_says_so(built: Built, bucket: Any, capsys: pytest.CaptureFixture[str]) -> None:
    from moto.core import set_initial_no_auth_action_count

    @set_initial_no_auth_action_count(0)
    def refused() -> tuple[int, dict[str, Any], str]:
        return publish(capsys, built.out, f"s3://{bucket.name}/mine", *OPEN, "--store", built.store)

    code, _, said = refused()
    assert (code, "permission denied" in said) == (2, True)
    assert there(bucket) == {}


def test_a_server_that_is_gone_is_exit_3(built: Built, endpoint: str, tmp_path: Path) -> None:
    words = ("publish", built.out, "s3://b/mine", *OPEN, "--store", built.store, "-q")
    environment = {**os.environ, "AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_MAX_ATTEMPTS": "1"}
    code = "from curation.cli import main; import sys; main(sys.argv[1:])"
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, words)], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 3, done.stderr
    assert "the connection broke" in done.stderr
    assert "Traceback" not in done.stderr
