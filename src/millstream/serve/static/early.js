// Sets the theme before the first paint; a classic script, so that it runs before the body is read.
{
  const root = document.documentElement;
  const kept = localStorage.getItem("millstream.theme");
  const wished = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  root.dataset.theme = kept === "light" || kept === "dark" ? kept : wished;
}
