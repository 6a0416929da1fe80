"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const form = document.getElementById("explorer");
  const byId = (id) => document.getElementById(id);
  const chosen = (name) => Number(form.querySelector(`input[name="${name}"]:checked`)?.value ?? 0);
  const kind = () => form.querySelector('input[name="kind"]:checked').value;
  const make = (tag, className, text) => {
    const element = document.createElement(tag);
    if (className) element.className = className;
    if (text !== undefined) element.textContent = text;
    return element;
  };

  const place = (tile, sprite, row, column, said) => {
    tile.className = `tile s-${sprite}`;
    tile.style.setProperty("--r", row);
    tile.style.setProperty("--c", column);
    tile.setAttribute("aria-label", said);
  };

  // The radio buttons of one choice; those that were there are replaced.
  const offer = (box, name, entries) => {
    const before = Math.min(chosen(name), entries.length - 1);
    box.replaceChildren(...entries.map((entry, number) => {
      const label = make("label");
      const input = make("input");
      Object.assign(input, { type: "radio", name, value: number, checked: number === before });
      input.setAttribute("aria-label", entry.said);
      label.append(input, entry.shown);
      if (entry.title) label.title = entry.title;
      return label;
    }));
  };

  const donorTile = (factor, number) => {
    const tile = make("span");
    place(tile, "donors", factor, number, "");
    tile.removeAttribute("aria-label");
    tile.setAttribute("aria-hidden", "true");
    return tile;
  };

  const offerFactor = () => {
    const number = chosen("factor"), factor = data.factors[number];
    offer(byId("donors"), "donor", factor.donors.map((said, index) => (
      { said: `Donor ${index + 1}: ${said}`, title: said, shown: donorTile(number, index) })));
    offer(byId("directions"), "direction", Array.from({ length: factor.sliders }, (_, index) => (
      { said: `direction ${index + 1}`, shown: make("span", "", `direction ${index + 1}`) })));
    const [first, end] = factor.columns.sample;
    offer(byId("draws-of"), "draw", Array.from({ length: end - first }, (_, index) => (
      { said: `draw ${index + 1}`, shown: make("span", "", `${index + 1}`) })));
    offer(byId("values"), "value", factor.values.map((text) => {
      const tile = make("span");
      tile.append(...shown(text));
      return { said: plain(text), shown: tile };
    }));
    byId("kind-set").hidden = !factor.values.length; // of the rest, which has no name, there is no value
    if (!factor.values.length && kind() === "set") form.querySelector('input[value="swap"]').checked = true;
    const [start, last] = factor.columns.walk;
    byId("step").max = last - start - 1;
    form.style.setProperty("--f", `var(--f${factor.tone})`);
  };

  // Which column of the factor's table the controls stand at.
  const column = (factor) => {
    const [first] = factor.columns[kind()];
    if (kind() === "swap") return first + chosen("donor");
    if (kind() === "slide") return first + chosen("direction") * data.amounts.length + Number(byId("position").value);
    if (kind() === "sample") return first + chosen("draw");
    if (kind() === "set") return first + chosen("value");
    return first + Number(byId("step").value);
  };

  const amount = () => data.amounts[Number(byId("position").value)];
  const signed = (number) => (number === 0 ? "0, no edit" : `${number > 0 ? "+" : "−"}${Math.abs(number)}`);

  const edit = (factor) => {
    if (kind() === "swap") return `taken from donor ${chosen("donor") + 1} (${factor.donors[chosen("donor")]})`;
    if (kind() === "slide" && !amount()) return "as it is, with the slider in the middle";
    if (kind() === "slide") return `moved by ${signed(amount())} along direction ${chosen("direction") + 1}`;
    if (kind() === "sample") return `drawn at random, draw ${chosen("draw") + 1}`;
    if (kind() === "set") return `set to ${plain(factor.values[chosen("value")])}`;
    return `after ${Number(byId("step").value) + 1} steps of a walk`;
  };

  const word = (concept, row) => concept.words[concept.rows[row]];
  const plain = (text) => text.replace(/ #[0-9a-f]{6}$/, "");
  const shown = (text) => {
    const colour = / (#[0-9a-f]{6})$/.exec(text);
    if (!colour) return [text];
    const swatch = make("span", "swatch");
    swatch.style.background = colour[1];
    swatch.setAttribute("aria-hidden", "true");
    return [swatch, plain(text)];
  };

  // Colours that are hardly told apart are the same.
  const same = (before, after) => {
    const parts = (text) => (/#([0-9a-f]{6})$/.exec(text)?.[1].match(/../g) ?? []).map((part) => parseInt(part, 16));
    const [was, is] = [parts(before), parts(after)];
    return was.length ? Math.hypot(...was.map((part, k) => part - is[k])) < 64 : before === after;
  };

  // What the judge sees before and after, concept by concept.
  const seen = (factor, image, at) => factor.seen.map((concept, number) => {
    const row = image * factor.outside[0].length + at;
    return { concept: concept.concept, before: word(data.before[number], image), after: word(concept, row) };
  });

  const bars = (factor, image, at) => {
    const { labels, before, decides } = data.numbers;
    const after = factor.bars[image * factor.outside[0].length + at];
    byId("shown-bars").style.setProperty("--label", `${Math.min(Math.max(...labels.map((label) => label.length)), 18) + 1}ch`);
    const deviations = (number) => (6 * number / 1000 - 3).toFixed(1).replace(/^-0.0$/, "0.0").replace("-", "−");
    const text = (number) => (decides ? `${(number / 10).toFixed(0)} %` : deviations(number));
    byId("shown-bars").replaceChildren(...labels.map((label, number) => {
      const row = make("div", "row"), track = make("span", "track");
      track.setAttribute("role", "img");
      track.setAttribute("aria-label", `${label}: ${text(before[image][number])} before, ${text(after[number])} after`);
      const old = make("i", "before-bar"), now = make("i", "fill");
      old.style.width = `${before[image][number] / 10}%`;
      now.style.width = `${after[number] / 10}%`;
      track.append(old, now);
      const value = make("span", "value", `${text(before[image][number])} → ${text(after[number])}`);
      value.setAttribute("aria-hidden", "true");
      row.append(make("span", "label", label), track, value);
      return row;
    }));
    const best = (numbers) => labels[numbers.indexOf(Math.max(...numbers))];
    if (!decides) return "";
    const [was, is] = [best(before[image]), best(after)];
    return was === is ? `The decision stays ${is}.` : `The decision turns from ${was} into ${is}.`;
  };

  const show = () => {
    const image = chosen("image"), number = chosen("factor"), factor = data.factors[number], at = column(factor);
    for (const part of form.querySelectorAll("[data-kind]")) part.hidden = part.dataset.kind !== kind();
    byId("donor-figure").hidden = kind() !== "swap";
    byId("position-said").textContent = signed(amount()).replace(", no edit", "");
    byId("position").setAttribute("aria-valuetext", signed(amount()));
    byId("step-said").textContent = `step ${Number(byId("step").value) + 1}`;
    place(byId("shown-real"), "images", 0, image, `Image ${image + 1}: ${data.images[image]}`);
    place(byId("shown-donor"), "donors", number, chosen("donor"), `Donor: ${factor.donors[chosen("donor")]}`);
    byId("donor-caption").textContent = `${factor.name} of this one`;
    const said = byId("said");
    const name = make("b", "", factor.name);
    const line = [`Image ${image + 1}, `, name, ` ${edit(factor)}. `];
    if (data.draws) {
      const judged = seen(factor, image, at);
      const words = judged.map(({ concept, after }) => `${concept} ${plain(after)}`).slice(0, 6).join(", ");
      const was = judged.map(({ concept, before }) => `${concept} ${plain(before)}`).slice(0, 6).join(", ");
      place(byId("shown-before"), "images", 1, image, was ? `As the network draws it: ${was}` : "As the network draws it");
      place(byId("shown-after"), `edits-${number}`, image, at, `After the edit: ${words || edit(factor)}`);
      const few = judged.length <= 4 ? judged : judged.filter(({ before, after }) => !same(before, after));
      if (judged.length) line.push("The judge sees ");
      few.forEach(({ concept, before, after }, index) => {
        line.push(index ? "; " : "", `${concept} `, ...shown(after));
        line.push(same(before, after) ? " as before" : ` (was ${plain(before)})`);
      });
      if (judged.length) line.push(few.length < judged.length ? `${few.length ? "; a" : "a"}ll else as before.` : ".");
    } else {
      line.push(bars(factor, image, at));
    }
    if (factor.outside[image][at] === "1") {
      line.push(" ", make("span", "far", "This edit leads outside of what the map was trained on: the answer means little."));
    }
    said.replaceChildren(...line);
  };

  // In a frame, such as that of MLflow's page, links within the page lead out of it, and are refused.
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.('a[href^="#"]');
    if (!link || parent === window) return;
    event.preventDefault();
    byId(link.getAttribute("href").slice(1)).scrollIntoView();
  });

  byId("position").value = Math.floor(data.amounts.length / 2);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", (event) => {
    if (event.target.name === "factor") offerFactor();
    show();
  });
  if (matchMedia("(max-width: 640px)").matches) byId("contents").open = false;
  form.hidden = false;
  offerFactor();
  show();
})();
