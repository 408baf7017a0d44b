"""The card of a model."""

import streamlit as st

from page.trouble import plain


def show_card(card: dict) -> None:
    """What is known about the model."""
    metrics = card["metrics"]
    facts = {
        "Model": card["id"],
        "Trained on": card["training_data"],
        "Parameters": f"{card['parameters']:,}",
        "Tiles": f"{card['size']} × {card['size']} pixels",
        "Mean absolute error": metrics.get("l1"),
        "The same of a look-up table": metrics.get("lut_l1"),
        "Licence": card["licence"],
        "Date": card["date"],
        "SHA-256": card["sha256"],
    }
    with st.expander("About this model", icon=":material/info:"):
        for name, value in facts.items():
            if value is not None:
                st.markdown(f"{name}: **{plain(str(value))}**")
