"""The words of the integration tests, for tools: importing this makes `import lab` and `import peers` work."""
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "integration"), str(ROOT / "tools" / "bench.d")]
