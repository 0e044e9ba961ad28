for (const root of document.querySelectorAll(".s2s-attention:not(.s2s-ready)")) {
  root.classList.add("s2s-ready");
  const sections = [...root.querySelectorAll("section")];

  for (const section of sections) {
    const [sources, targets] = [...section.querySelectorAll(".s2s-line")]
      .map((line) => [...line.querySelectorAll(".s2s-word")]);
    const cells = [...section.querySelectorAll("tbody tr")]
      .map((row) => [...row.querySelectorAll("td")]);
    const status = document.createElement("p");
    status.setAttribute("role", "status");
    section.querySelector("details").before(status);
    section.querySelector("details").open = false;

    const light = (chosen) => {
      const isTarget = targets.includes(chosen);
      const [own, others] = isTarget ? [targets, sources] : [sources, targets];
      const index = own.indexOf(chosen);
      for (const word of [...sources, ...targets]) {
        word.className = "s2s-word";
        word.style.backgroundColor = word.dataset.percent = "";
        word.setAttribute("aria-pressed", word === chosen);
      }
      const found = others.map((word, other) => {
        const cell = isTarget ? cells[index][other] : cells[other][index];
        const percent = Number(cell.textContent);
        word.className += " " + cell.className;
        word.style.backgroundColor = cell.style.backgroundColor;
        word.dataset.percent = percent ? percent + "%" : "";
        return { text: word.textContent, percent, link: cell.className.slice(4) };
      });
      const most = found.filter(({ percent }) => percent > 0)
        .sort((one, other) => other.percent - one.percent).slice(0, 3)
        .map(({ text, percent }) => `${text} ${percent}%`);
      const gold = found.filter(({ link }) => link)
        .map(({ text, link }) => link === "sure" ? text : `${text} (possible)`);
      const verb = isTarget ? "attends most to" : "gets most attention from";
      status.textContent = `“${chosen.textContent}” ${verb} ${most.join(", ") || "nothing"}.`
        + (gold.length ? ` Gold links: ${gold.join(", ")}.` : "");
    };
    for (const word of [...sources, ...targets]) {
      word.tabIndex = 0;
      word.setAttribute("role", "button");
      for (const event of ["mouseenter", "focus", "click"])
        word.addEventListener(event, () => light(word));
      word.addEventListener("keydown", (event) => {
        if (event.key !== "Enter" && event.key !== " ") return;
        event.preventDefault(); // a space would scroll the page
        light(word);
      });
    }
    light(targets[0]);
  }

  if (sections.length > 1) {
    const buttons = document.createElement("nav");
    buttons.setAttribute("aria-label", "sentences");
    const choose = (index) => {
      sections.forEach((section, other) => { section.hidden = other !== index; });
      [...buttons.children].forEach((button, other) =>
        button.setAttribute("aria-pressed", other === index));
    };
    sections.forEach((section, index) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = index + 1;
      button.title = section.querySelector(".s2s-line").textContent;
      button.addEventListener("click", () => choose(index));
      buttons.append(button);
    });
    sections[0].before(buttons);
    choose(0);
  }
}
