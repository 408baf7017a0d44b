export default function ({ parentElement, data }) {
  const figure = parentElement.querySelector("figure");
  const range = figure.querySelector("input");
  const before = figure.querySelector(".before");

  const move = () => figure.style.setProperty("--position", `${range.value}%`);
  range.oninput = move;
  move();

  before.onload = () =>
    figure.style.setProperty("--ratio", before.naturalWidth / before.naturalHeight);
  before.src = data.before;
  figure.querySelector(".after").src = data.after;
}
