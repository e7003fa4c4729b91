// Sets the theme before the first paint; a classic script, so that it runs before the body is read.
{
  const kept = localStorage.getItem("millstream.theme");
  if (kept === "light" || kept === "dark") document.documentElement.dataset.theme = kept;
}
