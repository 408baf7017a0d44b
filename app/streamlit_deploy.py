"""The page: `streamlit run streamlit_deploy.py`, with the translation service running beside it.

What a person chose is in the session's state: `pictures`, and the widgets `model` and `seed`.
Together they make a request. Each is sent once and its outcome kept, so the history is both what
the page can show again and what it need not ask for again.
"""

import re
from pathlib import Path

import streamlit as st
from streamlit_drawable_canvas import st_canvas

import client
from client import Outcome, Picture, Refused, Request, ServiceError, Translation
from components import compare, gallery

HERE = Path(__file__).parent
TITLES = {"earth_sat2map": "Satellite → map", "earth_map2sat": "Map → satellite"}
# Pictures to try, by model; the same name is the same place.
SAMPLES = {"earth_sat2map": HERE.parent / "data" / "samples", "earth_map2sat": HERE / "maps"}
# What the relief maps of `earth` are painted with; the first colour is the canvas.
COLOURS = {
    "earth_map2sat": {
        "deep sea": "#81add1",
        "shallow sea": "#cddeee",
        "forest": "#80b296",
        "grassland": "#aebcaa",
        "desert": "#bfb09f",
        "mountains": "#d9b99b",
        "ice": "#f0f0f6",
    }
}
UPLOAD_TYPES = ["png", "jpg", "jpeg", "webp"]
UPLOAD_MEGABYTES = 10  # what the service takes, unless it is told otherwise
HISTORY_LENGTH = 12

state = st.session_state


def main() -> None:
    st.set_page_config("pix2pix", HERE / "icon.svg", layout="wide")
    # Streamlit leaves room for a toolbar that this page does not have.
    st.html("<style>.stMainBlockContainer { padding-top: 2rem }</style>")
    st.title("pix2pix", anchor=False)
    st.markdown("Turn a satellite picture into a map, or a map into a satellite picture.")
    try:
        if "models" not in state:
            state.models = {card["id"]: card for card in client.list_models()}
    except ServiceError as error:
        show_trouble(error)
        wait_for_service()
    else:
        show_page()


@st.fragment(run_every=2)
def wait_for_service() -> None:
    """Begin by itself as soon as the service answers."""
    if client.is_ready():
        st.rerun()


def show_page() -> None:
    begin()
    left, right = st.columns([2, 3], gap="large")
    with left:
        show_direction()
        show_sources()
    with right:
        show_result()
        show_history()
        show_card(state.models[state.model])
    remember_in_address()


def begin() -> None:
    """A new session starts with what the address says, where that makes sense."""
    if "pictures" in state:
        return
    asked, models = st.query_params, list_models()
    state.outcomes = {}
    state.model = asked["model"] if asked.get("model") in models else models[0]
    seed = asked.get("seed", "")
    state.seed = int(seed) if re.fullmatch("[0-9]{1,9}", seed) else None
    found = samples(state.model)
    choose(*[found.get(asked.get("sample"), next(iter(found.values())))] if found else [])


def remember_in_address() -> None:
    """Others who open the address see the same, when it is one of the samples."""
    address = {"model": state.model}
    if state.pictures and state.pictures[0].sample:
        address["sample"] = state.pictures[0].sample
    if state.seed is not None:
        address["seed"] = str(state.seed)
    if st.query_params.to_dict() != address:
        st.query_params.from_dict(address)


def list_models() -> list[str]:
    """The ids of all models, those that the page knows best first."""
    known = [model for model in TITLES if model in state.models]
    return known + [model for model in state.models if model not in TITLES]


def show_direction() -> None:
    st.segmented_control(
        "Direction",
        list_models(),
        format_func=lambda model: TITLES.get(model, model),
        required=True,
        key="model",
    )


def samples(model: str) -> dict[str, Picture]:
    """The pictures to try on a model, by name."""
    paths = sorted(SAMPLES[model].glob("*.jpg")) if model in SAMPLES else []
    return {path.stem: Picture(path.name, path.read_bytes(), sample=path.stem) for path in paths}


def choose(*pictures: Picture) -> None:
    """Show the translation of these."""
    state.pictures = pictures
    state.number = 0  # of the one that is looked at


def current_request() -> Request:
    """A sample stands for a place: each direction has a picture of its own of it."""
    found = samples(state.model)
    pictures = tuple(found.get(picture.sample, picture) for picture in state.pictures)
    return Request(pictures, state.model, state.seed)


def show_sources() -> None:
    """The places that a picture can come from."""
    sources = {"Upload": show_upload, "Camera": show_camera}
    if state.model in SAMPLES:
        sources = {"Samples": show_samples} | sources
    if state.model in COLOURS:
        sources["Draw"] = show_canvas
    names = list(sources)
    source = st.segmented_control("Picture", names, default=names[0], required=True, key="source")
    sources[source]()


def show_samples() -> None:
    found = samples(state.model)
    names = list(found)
    sample = state.pictures[0].sample if state.pictures else None
    gallery(
        "samples",
        "Samples",
        [(name.replace("-", " ").title(), picture.content) for name, picture in found.items()],
        names.index(sample) if sample in found else None,
        lambda number: choose(found[names[number]]),
    )


def show_upload() -> None:
    def take() -> None:
        if state.upload:
            choose(*[Picture(file.name, file.getvalue()) for file in state.upload])

    st.file_uploader(
        "One picture, or several at once",
        UPLOAD_TYPES,
        accept_multiple_files=True,
        max_upload_size=UPLOAD_MEGABYTES,
        key="upload",
        on_change=take,
    )


def show_camera() -> None:
    def take() -> None:
        if state.camera:
            choose(Picture("photograph.jpg", state.camera.getvalue()))

    st.camera_input("A picture from your camera", key="camera", on_change=take)


def show_canvas() -> None:
    """A map to draw, in the colours that the model knows."""
    colours = COLOURS[state.model]
    colour = st.pills(
        "Colour",
        list(colours),
        format_func=lambda name: f':color[⬤]{{foreground="{colours[name]}"}} {name}',
        default="forest",
        required=True,
        wrap=True,
        key="colour",
    )
    brush = st.slider("Brush", 4, 60, 30, key="brush")
    canvas = st_canvas(
        width=288,
        height=288,
        stroke_width=brush,
        stroke_color=colours[colour],
        background_color=next(iter(colours.values())),
        return_image_data=True,
        key="canvas",
    )
    drawing = canvas.image_bytes
    st.button(
        "Translate the drawing",
        type="primary",
        disabled=drawing is None,
        on_click=lambda: choose(Picture("drawing.png", drawing)),
    )


def show_result() -> None:
    """The translation of what was chosen, or what went wrong; below it, how to look at it."""
    result = st.container()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        view = st.segmented_control(
            "View", ["Slider", "Side by side"], default="Slider", required=True, key="view"
        )
        st.number_input(
            "Variation",
            min_value=0,
            max_value=999_999_999,
            value=None,
            placeholder="none",
            width=160,
            key="seed",
            help="A number turns on the generator's dropout, the only noise of pix2pix. "
            "The same number gives the same picture again.",
        )
    request = current_request()
    with result:
        try:
            show_outcome(answer(request), request, view)
        except ServiceError as error:
            show_trouble(error)


def answer(request: Request) -> Outcome:
    """The outcome that was kept, or a new one."""
    if not request.pictures:
        return Outcome([], [])
    if request not in state.outcomes:
        with st.spinner("Translating …"):
            state.outcomes[request] = client.translate(request)
        for oldest in list(state.outcomes)[:-HISTORY_LENGTH]:
            del state.outcomes[oldest]
    return state.outcomes[request]


def show_outcome(outcome: Outcome, request: Request, view: str) -> None:
    """Refusals, then the translation: one, or the one that is picked of many."""
    for name, detail in outcome.refusals:
        st.warning(plain(f"{name}: {detail}"), icon=":material/image_not_supported:")
    if not outcome.translations:
        st.info("Choose a picture, and its translation appears here.")
        return
    translation = pick(outcome.translations)
    picture = translation.picture
    if view == "Slider":
        compare(picture.content, translation.content)
    else:
        left, right = st.columns(2)
        left.image(picture.content, "picture", "stretch", alt="The picture")
        right.image(
            translation.content,
            "translation",
            "stretch",
            output_format="PNG",  # or it would be made a JPEG
            alt="Its translation",
        )
    with st.container(horizontal=True):
        name = f"{Path(picture.name).stem}-{request.model}"
        download("Download", translation.content, f"{name}.png", "image/png")
        if outcome.archive:
            download("Download all", outcome.archive, f"{request.model}.zip", "application/zip")
    if picture.sample:
        st.caption("The address of this page opens this very picture again.")


def pick(translations: list[Translation]) -> Translation:
    """One of many, by a click on its thumbnail."""
    if len(translations) > 1:
        gallery(
            "translations",
            "Translations",
            [(translation.picture.name, translation.content) for translation in translations],
            state.number,
            lambda number: state.update(number=number),
        )
    return translations[state.number]


def download(label: str, content: bytes, name: str, media_type: str) -> None:
    icon = ":material/download:"
    st.download_button(label, content, name, media_type, icon=icon, on_click="ignore")


def show_history() -> None:
    """What this session translated, the latest first; a click shows it again."""
    requests = [each for each, outcome in state.outcomes.items() if outcome.translations][::-1]
    if len(requests) < 2:
        return
    st.subheader("Earlier", anchor=False)
    current = current_request()

    def show_again(number: int) -> None:
        request = requests[number]
        choose(*request.pictures)
        state.model, state.seed = request.model, request.seed

    gallery(
        "earlier",
        "Earlier translations",
        [(describe(each), state.outcomes[each].translations[0].content) for each in requests],
        requests.index(current) if current in requests else None,
        show_again,
    )


def describe(request: Request) -> str:
    """A request in a few words, for below its thumbnail."""
    name = Path(request.pictures[0].name).stem
    count = len(request.pictures)
    return f"{name} and {count - 1} more" if count > 1 else name


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


def show_trouble(error: ServiceError) -> None:
    """What went wrong, and a way to ask again where that can help."""
    refused = isinstance(error, Refused)
    icon = ":material/image_not_supported:" if refused else ":material/cloud_off:"
    st.warning(plain(str(error)), icon=icon)
    if not refused:
        st.button("Try again", icon=":material/refresh:")  # a click runs the page anew


def plain(text: str) -> str:
    """Text as it is: a file's name may look like Markdown, which could even load a picture."""
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", text)


if __name__ == "__main__":
    main()
