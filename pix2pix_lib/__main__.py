"""`python -m pix2pix_lib` is the command `pix2pix`."""

from pix2pix_lib.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
