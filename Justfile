# The one door for tools. `just` is what CI calls: check and test.
export PATH := justfile_directory() / ".venv" / "bin" + ":" + env("PATH")

default: check test

# lint, format, types, layers
check:
    ruff check .
    ruff format --check .
    mypy
    lint-imports

# the tests with coverage (not under 90 %)
test *words:
    pytest -n 2 --dist loadfile --cov --cov-report=term {{words}}

# compare what is installed with the known advisories; asks a server, so it is no part of `just`
audit *words:
    pip-audit --skip-editable {{words}}

# write the generated parts of the documentation
docs:
    python tools/reference.py

# build the documentation as a site (folder site), a broken link is an error
site:
    zensical build --strict --clean

# format and mend what can be mended
fix:
    ruff check --fix .
    ruff format .

# what fite is held to, measured here against its rivals; wants an idle machine
bench *words:
    PYTHONPATH={{justfile_directory()}} python -m benchmarks {{words}}

# of these, what the work on pictures costs: faces, CLIP's encodings, memory
bench-vision *words:
    PYTHONPATH={{justfile_directory()}} python -m benchmarks vision {{words}}

# kill commands, fill the disk, crowd a store, feed garbage, work for hours: --minutes, --only PART
soak *words:
    PYTHONPATH={{justfile_directory()}} python -m soak {{words}}
