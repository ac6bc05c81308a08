"""`make up`: a cluster, the example images, a first Pod, and what to type next."""

import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SAMPAN = [sys.executable, "-m", "sampan"]
POD = ROOT / "examples" / "kubia-manual.yaml"
READY_SECONDS = 60


def run(*words: str, quiet: bool = False) -> subprocess.CompletedProcess[str]:
    if not quiet:
        print(f"$ sampan {' '.join(words)}", flush=True)
    return subprocess.run([*SAMPAN, *words], text=True, capture_output=quiet, check=False)


def main() -> int:
    if run("up").returncode:
        return 1
    print("\nMaking the example images from this machine's own busybox …", flush=True)
    if run("image", "examples").returncode:
        return 1
    print()
    if run("get", "pod", "kubia-manual", quiet=True).returncode:
        run("create", "-f", str(POD.relative_to(ROOT)))
    if not wait_until_running():
        run("describe", "pod", "kubia-manual")
        return 1
    run("get", "pods", "-o", "wide")
    print(
        "\nTry next:\n"
        "  . .venv/bin/activate                                    and plain `sampan` will do; completion:\n"
        "                                                          sampan completion bash --install\n"
        "  .venv/bin/sampan describe pod kubia-manual\n"
        "  .venv/bin/sampan logs kubia-manual\n"
        "  .venv/bin/sampan port-forward kubia-manual 8888:8080    and, in another terminal: curl localhost:8888\n"
        "  .venv/bin/sampan exec -it kubia-manual -- sh\n"
        "  kubectl get nodes                                       (the context `sampan` is set)\n"
        "  less docs/learn/README.md                               twelve short lessons (in Korean: docs/learn/ko)\n"
        "  make down"
    )
    return 0


def wait_until_running() -> bool:
    end = time.monotonic() + READY_SECONDS
    while time.monotonic() < end:
        phase = run("get", "pod", "kubia-manual", "-o", "jsonpath={.status.phase}", quiet=True).stdout
        if phase == "Running":
            return True
        time.sleep(0.1)
    return False


if __name__ == "__main__":
    sys.exit(main())
