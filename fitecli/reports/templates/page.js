"use strict";
(() => {
  const form = document.getElementById("filters");
  if (!form) return;
  const cards = [...document.querySelectorAll(".fite-card")];
  const aspects = new Map(cards.map((card) => [card, [...card.querySelectorAll(".fite-aspect")]]));
  const texts = new Map(cards.map((card) => [card, card.textContent.toLowerCase()]));
  const fields = form.elements;

  const names = new Set([...aspects.values()].flat().map((aspect) => aspect.dataset.aspect));
  for (const name of [...names].sort()) {
    const option = document.createElement("option");
    option.value = name;
    document.getElementById("aspect-names").append(option);
  }

  const hasFaces = (number, wanted) =>
    wanted.endsWith("+") ? number >= parseInt(wanted, 10) : number === parseInt(wanted, 10);

  const matches = (card) => {
    const wanted = {
      text: fields.text.value.trim().toLowerCase(),
      aspect: fields.aspect.value.trim().toLowerCase(),
      sentiment: fields.sentiment.value,
      faces: fields.faces.value,
      unsure: fields.unsure.checked,
      wrong: fields.wrong ? fields.wrong.checked : false,
    };
    if (wanted.text && !texts.get(card).includes(wanted.text)) return false;
    if (wanted.faces && !hasFaces(Number(card.dataset.faces), wanted.faces)) return false;
    const ofAspect = wanted.aspect || wanted.sentiment || wanted.unsure || wanted.wrong;
    return !ofAspect || aspects.get(card).some(({ dataset }) => // all of it about one aspect
      dataset.aspect.toLowerCase().includes(wanted.aspect) &&
      (!wanted.sentiment || dataset.sentiment === wanted.sentiment) &&
      (!wanted.unsure || dataset.unsure === "yes") &&
      (!wanted.wrong || dataset.wrong === "yes"));
  };

  const show = () => {
    for (const card of cards) card.hidden = !matches(card);
    const shown = cards.filter((card) => !card.hidden).length;
    for (const kind of document.querySelectorAll(".kind")) {
      kind.hidden = shown < cards.length && !kind.querySelector(".fite-card:not([hidden])");
    }
    fields.shown.value = `${shown} of ${cards.length} tweets`;
  };

  form.addEventListener("input", show);
  form.addEventListener("reset", () => setTimeout(show));
  form.addEventListener("submit", (event) => event.preventDefault());
  document.addEventListener("click", (event) => { // a link to a card that is filtered away shows all
    const link = event.target.closest("a[href^='#tweet-']");
    const card = link && document.getElementById(link.hash.slice(1));
    if (card && card.hidden) form.reset();
  });
  form.hidden = false;
  show();
})();
