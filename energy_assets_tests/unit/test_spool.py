"""Bodies on disk: kept under their receipt, compressed, found again, and cleared away whoever died when."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from energy_assets.errors import SpoolError
from energy_assets.ingest import spool as module
from energy_assets.ingest.model import Body, Receipt, Window
from energy_assets.ingest.spool import Spool, disk_error

NOW = datetime.now(UTC)
TEXT = b'[{"settlementDate":"2026-07-15","value":1},{"settlementDate":"2026-07-15","value":2}]' * 2000

CHILD = """
import sys, time
from pathlib import Path
from energy_assets.ingest.spool import Spool
spool = Spool(Path(sys.argv[1]), 3)
path = spool.new_path("BOD")
path.with_name(path.name + ".part").write_bytes(b"half a body")
print("ready", flush=True)
time.sleep(600)
"""


def body(spool: Spool, text: bytes = TEXT, dataset: str = "BOD") -> Body:
    path = spool.new_path(dataset)
    path.write_bytes(text)
    return Body(path, "http://h/x", 200, hashlib.sha256(text).hexdigest(), len(text), 1, NOW)


def receipt(receipt_id: str = "0198c0", dataset: str = "BOD", start: datetime | None = None) -> Receipt:
    start = start or datetime(2026, 7, 14, 23, tzinfo=UTC)
    window = Window(start, start + timedelta(hours=1))
    return Receipt(receipt_id, dataset, f"bmrs_{dataset.lower()}", window, "written", NOW, "run")


def kept(root: Path) -> list[str]:
    return sorted(str(p.relative_to(root)) for p in root.glob("*/*/*") if p.is_file() and "incoming" not in p.parts)


def read(spool: Spool, receipt_id: str) -> bytes:
    with spool.open_body(receipt_id) as stream:
        return stream.read()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "spool"


@pytest.fixture
def spool(root: Path) -> Spool:
    return Spool(root, keep_days=3)


class TestKeeping:
    def test_files_by_dataset_and_settlement_day_and_compresses_later(self, spool: Spool, root: Path) -> None:
        first = body(spool)
        spool.keep(first, receipt("0198c0"))
        assert not first.path.exists()
        assert kept(root) == ["BOD/2026-07-15/0198c0.json"]
        assert read(spool, "0198c0") == TEXT
        assert spool.compress_pending() == 1
        assert kept(root) == ["BOD/2026-07-15/0198c0.json.zst"]
        assert (root / kept(root)[0]).stat().st_size < len(TEXT) / 10
        assert read(spool, "0198c0") == TEXT

    def test_body_can_be_replayed_by_another_process_object(self, spool: Spool, root: Path) -> None:
        spool.keep(body(spool), receipt("a1"))
        spool.compress_pending()
        assert read(Spool(root, keep_days=3), "a1") == TEXT

    def test_compression_ends_when_its_time_is_over_and_goes_on_later(self, spool: Spool, root: Path) -> None:
        for number in range(3):
            spool.keep(body(spool), receipt(f"a{number}"))
        assert spool.compress_pending(seconds=0.0) == 0
        assert all(name.endswith(".json") for name in kept(root))
        assert spool.compress_pending() == 3
        assert all(name.endswith(".zst") for name in kept(root))
        assert spool.compress_pending() == 0

    def test_a_long_backlog_is_compressed_beside_the_work(
        self, spool: Spool, root: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "BACKLOG_BYTES", 3 * len(TEXT))
        for number in range(9):
            spool.keep(body(spool), receipt(f"a{number}"))
        spool.close()
        waiting = [name for name in kept(root) if name.endswith(".json")]
        assert len(waiting) <= 3
        assert {read(spool, f"a{number}") for number in range(9)} == {TEXT}

    def test_zero_days_keep_nothing(self, root: Path) -> None:
        spool = Spool(root, keep_days=0)
        one = body(spool)
        spool.keep(one, receipt("a1"))
        assert not one.path.exists()
        assert kept(root) == []
        with pytest.raises(SpoolError, match="No body of receipt a1"):
            spool.open_body("a1")

    def test_discard_deletes_and_may_be_repeated(self, spool: Spool) -> None:
        one = body(spool)
        spool.discard(one)
        spool.discard(one)
        assert not one.path.exists()

    def test_paths_are_never_given_twice(self, spool: Spool, root: Path) -> None:
        other = Spool(root, keep_days=3)
        given: list[Path] = []
        threads = [
            threading.Thread(target=lambda s=s: given.extend(s.new_path("BOD") for _ in range(200)))
            for s in (spool, spool, other, other)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(set(given)) == 800

    @pytest.mark.parametrize("name", ["", "..", "../x", "a/b", "*", ".hidden", "a b"])
    def test_names_that_lead_elsewhere_are_refused(self, spool: Spool, name: str) -> None:
        with pytest.raises(SpoolError, match="cannot name a body"):
            spool.new_path(name)
        with pytest.raises(SpoolError, match="cannot name a body"):
            spool.open_body(name)
        with pytest.raises(SpoolError, match="cannot name a body"):
            spool.keep(body(spool), receipt(name))

    def test_negative_days_are_refused(self, root: Path) -> None:
        with pytest.raises(ValueError, match="-1 days"):
            Spool(root, keep_days=-1)

    def test_nothing_is_made_before_it_is_needed(self, spool: Spool, root: Path) -> None:
        assert spool.sweep(NOW) == 0
        assert not root.exists()


class TestSweeping:
    def test_removes_what_is_older_than_the_days_and_empty_folders(self, spool: Spool, root: Path) -> None:
        spool.keep(body(spool), receipt("old"))
        spool.compress_pending()
        spool.keep(body(spool), receipt("new", start=datetime(2026, 7, 20, tzinfo=UTC)))
        past = (NOW - timedelta(days=3, minutes=1)).timestamp()
        os.utime(root / "BOD/2026-07-15/old.json.zst", (past, past))
        assert spool.sweep(NOW) == 1
        assert kept(root) == ["BOD/2026-07-20/new.json"]
        assert not (root / "BOD/2026-07-15").exists()
        assert spool.sweep(NOW + timedelta(days=4)) == 1
        assert not (root / "BOD").exists()

    def test_age_counts_from_keeping_and_not_from_the_day_of_the_data(self, spool: Spool, root: Path) -> None:
        spool.keep(body(spool), receipt("a1", start=datetime(2016, 1, 1, tzinfo=UTC)))
        spool.compress_pending()
        assert spool.sweep(NOW + timedelta(days=2)) == 0
        assert kept(root) == ["BOD/2016-01-01/a1.json.zst"]

    def test_looks_at_kept_files_only_now_and_then(self, spool: Spool, root: Path) -> None:
        spool.keep(body(spool), receipt("a1"))
        assert spool.sweep(NOW) == 0
        past = (NOW - timedelta(days=9)).timestamp()
        os.utime(root / "BOD/2026-07-15/a1.json", (past, past))
        assert spool.sweep(NOW + module.SWEEP_EVERY - timedelta(seconds=1)) == 0
        assert spool.sweep(NOW + module.SWEEP_EVERY) == 1

    def test_a_clock_set_back_does_not_stop_it(self, spool: Spool, root: Path) -> None:
        spool.keep(body(spool), receipt("a1"))
        spool.sweep(NOW + timedelta(days=365))
        spool.keep(body(spool), receipt("a2"))
        past = (NOW - timedelta(days=9)).timestamp()
        os.utime(root / "BOD/2026-07-15/a2.json", (past, past))
        assert spool.sweep(NOW) == 1

    def test_bodies_left_uncompressed_are_taken_up(self, spool: Spool, root: Path) -> None:
        spool.keep(body(spool), receipt("a1"))
        spool.close()
        other = Spool(root, keep_days=3)
        other.sweep(NOW)
        assert other.compress_pending() == 1
        assert kept(root) == ["BOD/2026-07-15/a1.json.zst"]
        assert spool.compress_pending() == 1, "its own note of the body is stale, which harms nothing"
        assert read(spool, "a1") == TEXT

    def test_close_gives_the_folder_up(self, spool: Spool, root: Path) -> None:
        body(spool)
        spool.close()
        assert list((root / "incoming").iterdir()) == []
        assert body(spool).path.exists()

    def test_downloads_of_this_process_stay(self, spool: Spool, root: Path) -> None:
        one = body(spool)
        assert spool.sweep(NOW) == 0
        assert Spool(root, keep_days=3).sweep(NOW + timedelta(days=30)) == 0
        assert one.path.exists()

    def test_kill_9_leaves_nothing_for_ever_and_the_living_are_left_alone(self, spool: Spool, root: Path) -> None:
        arguments = [sys.executable, "-c", CHILD, str(root)]
        with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as child:
            try:
                assert child.stdout is not None
                assert child.stdout.readline() == "ready\n"
                assert spool.sweep(NOW + timedelta(days=30)) == 0
                assert len(list(root.glob("incoming/*/*.part"))) == 1
            finally:
                child.send_signal(signal.SIGKILL)
                child.wait()
        assert spool.sweep(NOW + timedelta(days=31)) == 1
        assert list((root / "incoming").iterdir()) == []

    def test_a_process_that_ends_leaves_nothing(self, root: Path) -> None:
        script = CHILD.replace("time.sleep(600)", "sys.exit(3)")
        ended = subprocess.run([sys.executable, "-c", script, str(root)], capture_output=True, text=True, check=False)
        assert (ended.returncode, ended.stdout, ended.stderr) == (3, "ready\n", "")
        assert list((root / "incoming").iterdir()) == []

    def test_a_forked_child_that_ends_leaves_its_parents_files(self, root: Path) -> None:
        fork = """
import os
if os.fork() == 0:
    assert spool.new_path("BOD").parent != path.parent
    sys.exit(0)
assert os.wait()[1] == 0
assert Spool(Path(sys.argv[1]), 3).sweep(datetime.now(UTC)) == 0
assert path.with_name(path.name + ".part").exists()
"""
        script = "from datetime import UTC, datetime\n" + CHILD.replace("time.sleep(600)", fork)
        # pyarrow has threads, which the child does not use.
        arguments = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", script, str(root)]
        ended = subprocess.run(arguments, capture_output=True, text=True, check=False)
        assert (ended.returncode, ended.stderr) == (0, "")
        assert list((root / "incoming").iterdir()) == []

    def test_lock_of_a_process_killed_before_its_folder_goes_in_time(self, spool: Spool, root: Path) -> None:
        (root / "incoming").mkdir(parents=True)
        stray = root / "incoming" / "1-abc.lock"
        stray.touch()
        spool.sweep(NOW)
        assert stray.exists()
        past = NOW.timestamp() - module.STRAY_LOCK_SECONDS - 60
        os.utime(stray, (past, past))
        spool.sweep(NOW)
        assert not stray.exists()


class TestDisk:
    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
    def test_full_while_compressing_is_one_clear_error_and_loses_nothing(self, spool: Spool, root: Path) -> None:
        spool.keep(body(spool), receipt("a1"))
        own = spool.new_path("BOD").parent
        (own / "a1.json.zst.part").symlink_to("/dev/full")
        with pytest.raises(SpoolError, match="is full: free space"):
            spool.compress_pending()
        assert read(spool, "a1") == TEXT
        assert spool.compress_pending() == 1
        assert kept(root) == ["BOD/2026-07-15/a1.json.zst"]

    def test_root_that_is_a_file_is_one_clear_error(self, tmp_path: Path) -> None:
        (tmp_path / "spool").touch()
        with pytest.raises(SpoolError, match="ENERGY_ASSETS_HOME a folder this user may write to"):
            Spool(tmp_path / "spool", keep_days=3).new_path("BOD")

    @pytest.mark.parametrize("number", [28, 122, 27])
    def test_every_way_of_being_full_reads_the_same(self, number: int) -> None:
        assert "is full" in str(disk_error(Path("x"), OSError(number, "refused")))
