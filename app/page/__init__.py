"""What only the page needs: what is chosen, where it comes from, how it is shown."""

import streamlit as st

from pix2pix_lib.runtime.extras import MissingExtra, missing

if missing("app"):  # Streamlit alone may be there
    st.error(str(MissingExtra("The page", "app")))
    st.stop()
