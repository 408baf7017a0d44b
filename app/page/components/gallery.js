export default function ({ parentElement, data, setStateValue }) {
  const group = parentElement.querySelector(".pictures");
  group.setAttribute("aria-label", data.label);

  // Buttons are kept and changed in place: a click or the focus may be on one of them right now.
  while (group.children.length > data.pictures.length) group.lastChild.remove();
  while (group.children.length < data.pictures.length) group.append(makeButton());

  data.pictures.forEach(({ name, source }, index) => {
    const button = group.children[index];
    button.title = name;
    button.setAttribute("aria-pressed", index === data.chosen);
    // A state with the time in it, not a trigger: those get lost when the next click comes quickly.
    button.onclick = () => setStateValue("choice", { index, time: Date.now() });
    button.querySelector("img").src = source;
    button.querySelector("span").textContent = name;
  });
}

function makeButton() {
  const button = document.createElement("button");
  const image = new Image();
  button.type = "button";
  image.alt = "";
  button.append(image, document.createElement("span"));
  return button;
}
