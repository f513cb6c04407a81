import { lazy, StrictMode, Suspense } from 'react';
import { createRoot } from 'react-dom/client';
import { BrowserRouter, Link, Route, Routes, useParams } from 'react-router-dom';
import './style.css';

// The page of a ship is a chunk of its own, which the browser fetches when it is needed.
const Logbook = lazy(() => import('./logbook.jsx'));

function Berth() {
  const { number } = useParams();
  return <h1>Berth {number}</h1>;
}

createRoot(document.getElementById('root')).render(
  <StrictMode>
    <BrowserRouter basename={import.meta.env.BASE_URL}>
      <nav><Link to="/">Quay</Link> <Link to="/berths/42">Berth</Link> <Link to="/logbook">Logbook</Link></nav>
      <Suspense fallback={<p>Fetching …</p>}>
        <Routes>
          <Route path="/" element={<h1>Quay</h1>} />
          <Route path="/berths/:number" element={<Berth />} />
          <Route path="/logbook" element={<Logbook />} />
          <Route path="*" element={<h1>No such berth</h1>} />
        </Routes>
      </Suspense>
    </BrowserRouter>
  </StrictMode>,
);
