"""What must hold for the hook libraries, which live in other people's processes.

needs       libc.so.6 and nothing else
symbols     the exported names are those of tools/gates.d/NAME.symbols; a new one is a decision
glibc       no symbol is newer than GLIBC_LIMIT, so that subjects on older systems can load it
allocation  none in constructors, none in hooked calls: counted, in a process that is really attached
"""

import dataclasses
import os
import pathlib
import re
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
DATA = ROOT / "tools" / "gates.d"
GLIBC_LIMIT = (2, 34)
LIBRARIES = ("observe", "stage")


@dataclasses.dataclass
class Item:
    name: str
    verdict: str  # ok, failed, skipped
    why: str = ""
    seconds: float = 0


def output_of(*command, env=None, cwd=None):
    return subprocess.run(command, check=True, text=True, capture_output=True, env=env, cwd=cwd,
                          stdin=subprocess.DEVNULL).stdout


def needed(library):
    return re.findall(r"\(NEEDED\).*\[(.+?)\]", output_of("readelf", "-dW", str(library)))


def check_needs(library):
    found = needed(library)
    return "" if found == ["libc.so.6"] else f"needs {', '.join(found) or 'nothing'}"


def exported(library):
    lines = output_of("nm", "-D", "--defined-only", str(library)).splitlines()
    return sorted({line.split()[-1] for line in lines if line.strip()})


def check_symbols(library, name):
    listed = (DATA / f"{name}.symbols").read_text(encoding="utf-8").split()
    found = exported(library)
    said = [f"+{s}" for s in found if s not in listed] + [f"-{s}" for s in listed if s not in found]
    return "" if not said else f"exports {' '.join(said)} against {name}.symbols"


def check_glibc(library):
    versions = re.findall(r"GLIBC_(\d+)\.(\d+)", output_of("objdump", "-T", str(library)))
    highest = max(((int(a), int(b)) for a, b in versions), default=(0, 0))
    if highest > GLIBC_LIMIT:
        return "needs GLIBC_%d.%d, more than %d.%d" % (*highest, *GLIBC_LIMIT)
    return ""


def build_probe(folder):
    compiler = os.environ.get("CXX", "g++")
    output_of(os.environ.get("CC", "gcc"), "-O1", "-fno-builtin", "-shared", "-fPIC", "-o",
              f"{folder}/counter.so", str(DATA / "alloc_counter.c"))
    output_of(compiler, "-std=c++20", "-O1", "-I", str(ROOT / "src"), "-o", f"{folder}/probe",
              str(DATA / "alloc_probe.cc"))


def probe(folder, preload):
    env = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "GATE_PRELOAD": " ".join(preload)}
    told = output_of(f"{folder}/probe", env=env, cwd=folder)
    return {key: int(value) for key, value in re.findall(r"(\w+)=(\d+)", told)}


def check_allocation(library, folder):
    counter = f"{folder}/counter.so"
    bare = probe(folder, [counter])
    hooked = probe(folder, [str(library), counter])
    if not bare["counting"] or not hooked["counting"]:
        return "the counter was not loaded"
    if bare["attached"] or not hooked["attached"]:
        return "the library did not attach to its shared memory"
    for part in ("constructors", "traffic"):
        if hooked[part] != bare[part]:
            return f"{hooked[part] - bare[part]} allocations in {part}"
    return ""


def timed(name, check, *args):
    began = time.monotonic()
    try:
        why = check(*args)
    except subprocess.CalledProcessError as e:
        why = f"{pathlib.Path(e.cmd[0]).name} failed ({e.returncode}): {(e.stderr or '').strip()[-300:]}"
    except (OSError, KeyError) as e:
        why = f"{type(e).__name__}: {e}"
    return Item(name, "failed" if why else "ok", why, time.monotonic() - began)


def run_all(build):
    items = []
    with tempfile.TemporaryDirectory(prefix="reprise-gates-") as folder:
        built = timed("probe", build_probe, folder)
        if built.why:
            return [built]
        for name in LIBRARIES:
            library = build / "lib" / f"libreprise-{name}.so"
            if not library.exists():
                items.append(Item(f"{name}", "failed", "the library was not built"))
                continue
            items.append(timed(f"{name} needs", check_needs, library))
            items.append(timed(f"{name} symbols", check_symbols, library, name))
            items.append(timed(f"{name} glibc", check_glibc, library))
            items.append(timed(f"{name} allocation", check_allocation, library, folder))
    return items
